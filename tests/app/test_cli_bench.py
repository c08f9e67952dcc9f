import json

import pytest

from app.cli import main

ALONE = ("--strategies", "plain,lookup", "--dtype", "float32", "--adapter", "none")


def refusal(capsys, *arguments, code=1) -> str:
    """The one sentence on stderr with which a command ends."""
    assert main(list(arguments)) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1, err
    return err.strip()


def test_a_tiny_run(tiny_model, tmp_path, capsys):
    written = tmp_path / "measured.json"
    arguments = ["bench", "--model", str(tiny_model), *ALONE, "--limit", "1", "--max-tokens", "8"]
    assert main([*arguments, "--json", str(written)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "float32 on cpu: 1 prompts, 8 tokens at most; medians" in lines[0]
    assert [line.split()[0] for line in lines[1:4]] == ["strategy", "plain", "lookup"]
    assert [line.split()[-1] for line in lines[2:4]] == ["1/1", "1/1"]
    assert lines[4].startswith("Memory is read at ")
    found = json.loads(written.read_text(), parse_constant=pytest.fail)
    assert json.loads(lines[-1]) == found
    assert found["read_bandwidth"] > 1e8
    assert found["results"][0]["bytes_per_second"]["median"] > 0
    assert found["dtype"] == "float32"
    assert found["threads"] >= 1
    assert found["settings"]["max_tokens"] == 8
    plain, lookup = found["results"]
    assert (plain["strategy"], lookup["strategy"]) == ("plain", "lookup")
    assert plain["tokens"] == lookup["tokens"] == 8
    assert plain["tokens_per_round"] == 1.0
    assert plain["ratio"]["plain"]["median"] == 1.0
    assert lookup["ratio"]["plain"]["median"] > 0


@pytest.mark.parametrize("arguments", [("--limit", "many"), ("--max-tokens", "1.5"), ("--nonsense",), ("extra",)])
def test_wrong_usage(capsys, arguments):
    with pytest.raises(SystemExit) as ended:
        main(["bench", *arguments])
    assert ended.value.code == 2
    assert "usage: s3d" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--limit", "0"), "--limit must be at least 1."),
        (("--limit", "-3"), "--limit must be at least 1."),
        (("--max-tokens", "0"), "max tokens must be a whole number from 1"),
        (("--temperature", "-1"), "temperature must be a number from 0"),
        (("--seed", "-1"), "seed must be a whole number from 0"),
        (("--strategies", " , "), "--strategies is empty"),
        (("--json", "/no/such/folder/file.json"), "The folder of /no/such/folder/file.json does not exist"),
    ],
)
def test_bad_values_are_refused_before_anything_is_loaded(home, capsys, arguments, said):
    assert said in refusal(capsys, "bench", *arguments)
    assert not home.exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read"),
        (b"\xff\xfe\x00", "cannot be read"),
        (b"\n\n", "holds no prompt"),
        (b'{"turns": ["a"]}\n{"turns": ["b"', 'line 2: expected a JSON object with "turns", a list of texts.'),
        (b'{"turns": []}', "line 1: expected"),
        (b"[1]", "line 1: expected"),
        (b'{"prompt": "a"}', "line 1: expected"),
    ],
)
def test_a_prompt_file_that_cannot_be_used(home, tmp_path, capsys, content, said):
    path = tmp_path / "prompts.jsonl"
    if content is not None:
        path.write_bytes(content)
    assert said in refusal(capsys, "bench", "--prompts", str(path))
    assert not home.exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--sweep", "map.jpg"), "give it a name that ends in .png, not 'map.jpg'"),
        (("--sweep", "/no/such/folder/map.png"), "The folder of /no/such/folder/map.png does not exist"),
        (("--sweep", "map.png", "--exactness", "1,0"), "a study of its own"),
        (("--exactness", "0.5,0"), "1 among them"),
        (("--exactness", "1,1"), "different numbers"),
        (("--exactness", "1,2"), "exactness must be a number from 0 to 1"),
    ],
)
def test_studies_that_cannot_be_done_are_refused_before_anything_is_loaded(home, capsys, arguments, said):
    assert said in refusal(capsys, "bench", *arguments)


def test_a_sweep_needs_an_adapter(tiny_model, tmp_path, capsys):
    chosen = ("--model", str(tiny_model), "--adapter", "none", "--dtype", "float32", "--limit", "1")
    picture = tmp_path / "map.png"
    assert "has no draft adapter" in refusal(capsys, "bench", *chosen, "--sweep", str(picture))
    assert not picture.exists()


@pytest.mark.thorough
def test_a_small_sweep_is_drawn_and_ends_with_json(default_model, tmp_path, capsys):
    picture, written = tmp_path / "map.png", tmp_path / "sweep.json"
    chosen = ("--model", str(default_model), "--limit", "1", "--max-tokens", "16", "--json", str(written))
    assert main(["bench", *chosen, "--sweep", str(picture)]) == 0
    lines = capsys.readouterr().out.splitlines()
    found = json.loads(lines[-1], parse_constant=pytest.fail)
    assert found == json.loads(written.read_text())
    assert len(found["sweep"]["cells"]) == 36
    assert found["sweep"]["best"] in found["sweep"]["cells"]
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.thorough
def test_what_relaxing_costs_ends_with_json(default_model, capsys):
    chosen = ("--model", str(default_model), "--limit", "1", "--max-tokens", "16")
    assert main(["bench", *chosen, "--exactness", "1,0"]) == 0
    exact, relaxed = json.loads(capsys.readouterr().out.splitlines()[-1])["exactness"]["positions"]
    assert (exact["relaxed_share"], exact["same_text_as_exact"], exact["sums"]) == (0, 2, 1)
    assert relaxed["tokens_per_round"] >= exact["tokens_per_round"]
