import json

import pytest
import torch
from core.files import save_folder

from app.cli import main
from s3d_core.adapter import CARD, WEIGHTS
from s3d_core.load import load
from s3d_core.train import recipe
from s3d_core.train.trainer import Trainer, TrainSettings


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A tiny model's folder."""
    return save_folder(tmp_path_factory.mktemp("models") / "tiny")


SHORT = ("--corpus-tokens", "1500", "--rank", "4", "--measure-every", "2")


def refusal(capsys, *arguments) -> str:
    """The one sentence on stderr with which a command ends."""
    assert main(["train", *arguments]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1, err
    return err.strip()


def test_a_tiny_model_is_trained_and_goes_on_when_asked_again(model, tmp_path, capsys, monkeypatch):
    # Measured and calibrated on some chats in the place of 24.
    monkeypatch.setattr(recipe, "MEASURED", 3)
    monkeypatch.setattr(recipe, "HELD_OUT", 6)
    prompts = tmp_path / "prompts.jsonl"
    prompts.write_text("".join(f'{{"turns": ["w{i} w{i + 1} "]}}\n' for i in range(20, 80)))
    out = tmp_path / "adapter"
    arguments = ["train", "--model", str(model), "--prompts", str(prompts), *SHORT]
    assert main([*arguments, "--steps", "2", "--out", str(out)]) == 0
    said = capsys.readouterr()
    assert f"tokens per round on held-out chats; the adapter is in {out}." in said.out
    assert "step 2:" in said.out + said.err
    card = json.loads((out / CARD).read_text())
    assert card["base_model"] == "tiny"
    assert card["training"]["steps_done"] == 2
    assert card["training"]["corpus"]["given_prompts"] == "prompts.jsonl"
    before = (out / WEIGHTS).read_bytes()
    assert main([*arguments, "--steps", "3", "--out", str(out)]) == 0
    assert json.loads((out / CARD).read_text())["training"]["steps_done"] == 3
    assert (out / WEIGHTS).read_bytes() != before
    # What was trained can be used at once.
    chosen = ["--model", str(model), "--adapter", str(out), "--dtype", "float32"]
    assert main(["bench", *chosen, "--limit", "1", "--max-tokens", "12"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[-7:-2]]
    assert [row[0] for row in rows] == ["plain", "lookup", "skip", "s3d", "hf"]
    assert {row[-1] for row in rows} == {"1/1"}


def test_a_folder_of_another_model_is_refused(model, tmp_path, capsys):
    out = tmp_path / "adapter"
    loaded = load(model, torch.float32, torch.device("cpu"), lambda phase, share: None)
    chats = [{"ids": [5, 6, *range(7, 40)], "start": 2}] * 45
    out.mkdir()
    (out / "corpus.jsonl").write_text("".join(json.dumps(chat) + "\n" for chat in chats))
    settings = TrainSettings(rank=4, least_skipped=1, most_skipped=4)
    Trainer(loaded.target, chats, settings, out / "checkpoint").save()
    other = save_folder(tmp_path / "other", seed=1)
    capsys.readouterr()
    assert main(["train", "--model", str(other), *SHORT, "--steps", "2", "--out", str(out)]) == 1
    assert "belongs to another model; give another --out." in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize("arguments", [("--steps", "many"), ("--learning-rate", "x"), ("--nonsense",), ("extra",)])
def test_wrong_usage(capsys, arguments):
    with pytest.raises(SystemExit) as ended:
        main(["train", *arguments])
    assert ended.value.code == 2
    assert "usage: s3d" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--steps", "0"), "--steps must be at least 1."),
        (("--corpus-tokens", "-1"), "--corpus-tokens must be at least 1."),
        (("--measure-every", "0"), "--measure-every must be at least 1."),
        (("--slots", "0"), "--slots must be at least 1."),
        (("--slots", "9"), "--slots must be at most 8."),
        (("--rank", "0"), "--rank must be at least 1."),
        (("--learning-rate", "0"), "--learning-rate must be above 0"),
        (("--learning-rate", "nan"), "--learning-rate must be above 0"),
        (("--learning-rate", "inf"), "--learning-rate must be above 0"),
        (("--self-written", "1.1"), "--self-written must be from 0 to 1."),
        (("--self-written", "nan"), "--self-written must be from 0 to 1."),
        (("--seed", "-1"), "--seed must be at least 0."),
    ],
)
def test_bad_values_are_refused_before_anything_is_loaded(home, capsys, arguments, said):
    assert said in refusal(capsys, *arguments)
    assert not home.exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read"),
        (b"\n", "holds no prompt"),
        (b'{"turns": ["a"]}\n{"turns": ["b"', 'line 2: expected a JSON object with "turns", a list of texts.'),
        (b'{"turns": []}', "line 1: expected"),
    ],
)
def test_a_prompt_file_that_cannot_be_used(model, tmp_path, capsys, content, said):
    path = tmp_path / "prompts.jsonl"
    if content is not None:
        path.write_bytes(content)
    out = tmp_path / "adapter"
    assert said in refusal(capsys, "--model", str(model), "--prompts", str(path), "--out", str(out))
    assert not out.exists()


def test_a_model_that_is_not_there(home, capsys, tmp_path):
    assert "There is no model" in refusal(capsys, "--model", str(tmp_path / "nowhere"))
