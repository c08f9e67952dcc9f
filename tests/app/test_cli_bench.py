import json
import os
import signal
import sys

import pytest
from core.models import build, random_adapter

from app.cli import main
from app.commands import bench_startup
from s3d_core.bench import bandwidth
from s3d_core.target import Target

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
    assert lines[1].startswith("float32: as it was asked for.")
    assert [line.split()[0] for line in lines[2:5]] == ["strategy", "plain", "lookup"]
    assert [line.split()[-1] for line in lines[3:5]] == ["1/1", "1/1"]
    assert lines[5].startswith("Memory is read at ")
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


@pytest.fixture(scope="module")
def tiny_adapter(tmp_path_factory):
    """Drafts for the tiny model."""
    target = Target(build("llama"))
    adapter, folder = random_adapter(target), tmp_path_factory.mktemp("adapters") / "tiny"
    adapter.card = {"base_model": "tiny", "fingerprint": target.fingerprint()}
    adapter.save(folder)
    return folder


def test_curves_beside_a_comparison_are_on_one_page(tiny_model, tiny_adapter, tmp_path, capsys):
    written, shown = tmp_path / "measured.json", tmp_path / "page.html"
    chosen = ("--model", str(tiny_model), "--adapter", str(tiny_adapter), "--dtype", "float32", "--limit", "1")
    told = ("--json", str(written), "--report", str(shown))
    assert main(["bench", *chosen, "--max-tokens", "6", "--strategies", "plain,s3d", "--curves", *told]) == 0
    out = capsys.readouterr().out
    found = json.loads(out.splitlines()[-1], parse_constant=pytest.fail)
    assert found == json.loads(written.read_text())
    assert [r["strategy"] for r in found["results"]] == ["plain", "s3d"]
    assert [c["name"] for c in found["curves"]["curves"]] == ["context", "draft length", "tree size", "skipped layers"]
    assert found["curves"]["settings"]["least_probability"] == 0
    assert all(point["prompts"] == 1 for curve in found["curves"]["curves"] for point in curve["points"])
    assert "layers skipped in the draft pass" in out
    page = shown.read_text(encoding="utf-8")
    assert "Side by side" in page
    assert "By skipped layers" in page


def test_a_page_of_a_comparison_tells_what_each_row_held(tiny_model, tmp_path, capsys):
    shown = tmp_path / "page.html"
    arguments = ["--model", str(tiny_model), *ALONE, "--limit", "1", "--max-tokens", "8", "--report", str(shown)]
    assert main(["bench", *arguments]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert found["command"].startswith("s3d ")
    assert found["versions"]["torch"]
    if sys.platform == "linux":
        assert all(row["peak_bytes"] > 0 for row in found["results"])
    assert found["machine"]["processor"] in shown.read_text(encoding="utf-8").replace("&amp;", "&")


def test_ctrl_c_tells_what_was_measured_until_then(tiny_model, tmp_path, capsys, monkeypatch):
    looks = []

    def interrupted(device):
        looks.append(1)
        if len(looks) == 3:  # in the third prompt
            os.kill(os.getpid(), signal.SIGINT)
        return 1e9

    monkeypatch.setattr(bandwidth, "read_bandwidth", interrupted)
    written = tmp_path / "measured.json"
    arguments = ["--model", str(tiny_model), *ALONE, "--limit", "4", "--max-tokens", "6", "--json", str(written)]
    assert main(["bench", *arguments, "--report", str(tmp_path / "page.html")]) == 130
    out, err = capsys.readouterr()
    assert "Stopping when the reply at work is done" in err
    assert f"Stopped; what was measured until then is above and in {written} and {tmp_path / 'page.html'}." in err
    found = json.loads(out.splitlines()[-1])
    assert found == json.loads(written.read_text())
    assert found["interrupted"] is True
    assert [row["prompts"] for row in found["results"]] == [2, 2]
    assert "The run was stopped" in (tmp_path / "page.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--report", "page.txt"), "give it a name that ends in .html, not 'page.txt'"),
        (("--report", "/no/such/folder/page.html"), "The folder of /no/such/folder/page.html does not exist"),
        (("--startup", "-2"), "at least 1"),
        (("--minutes", "0", "--curves"), "--minutes must be above 0"),
        (("--exactness", "1,0", "--curves"), "a study of its own"),
    ],
)
def test_what_cannot_be_told_or_studied_is_refused_before_anything_is_loaded(home, capsys, arguments, said):
    assert said in refusal(capsys, "bench", *arguments)
    assert not home.exists()


def test_starts_are_timed_and_weighed(tiny_model, tiny_adapter, tmp_path, capsys, monkeypatch):
    """The processes are small ones here; the real ones, of some seconds each, are started by the thorough test."""
    held = {bench_startup._DRAFTING: 64, bench_startup._PLAIN: 56, bench_startup._LIBRARIES: 48}
    code = "import time; b = bytearray({} << 20); print('.', flush=True); time.sleep(0.1)"
    monkeypatch.setattr(
        bench_startup,
        "_commands",
        lambda args, path: (
            {what: [sys.executable, "-c", code.format(size)] for what, size in held.items()}
            | {"import app.ui.window": [sys.executable, "-c", "import no_such_module"]}
        ),
    )
    chosen = ("--model", str(tiny_model), "--adapter", str(tiny_adapter), "--dtype", "float32", "--startup", "2")
    assert main(["bench", *chosen, "--report", str(tmp_path / "page.html")]) == 0
    out = capsys.readouterr().out
    found = json.loads(out.splitlines()[-1])["startup"]
    assert [p["what"] for p in found["processes"]] == list(held)
    assert all(p["starts"] == 2 and p["first_token_s"]["median"] > 0 for p in found["processes"])
    drafting = found["drafting"]
    assert set(drafting["counted"]) == {"adapter", "draft head", "coherence", "recalled"}
    assert drafting["counted_bytes"] == sum(drafting["counted"].values())
    if sys.platform == "linux":
        assert drafting["measured_bytes"] == pytest.approx(8 << 20, abs=3 << 20)
    assert "What drafting adds" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_a_start_that_fails_is_said(tiny_model, capsys, monkeypatch):
    command = [sys.executable, "-c", "raise SystemExit('no such thing')"]
    monkeypatch.setattr(bench_startup, "_commands", lambda args, path: {bench_startup._PLAIN: command})
    said = refusal(capsys, "bench", "--model", str(tiny_model), "--startup", "1")
    assert said == "--startup needs `s3d ask` to work, but it said: no such thing"


@pytest.mark.thorough
def test_real_starts_hold_the_weights_once_and_little_more_for_drafting(default_model, capsys):
    assert main(["bench", "--model", str(default_model), "--startup", "3"]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])["startup"]
    assert len(found["processes"]) == 5
    assert found["drafting"]["counted_share"] <= 0.10
    if found["copies"] is not None:
        assert found["copies"] < 1.7


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
