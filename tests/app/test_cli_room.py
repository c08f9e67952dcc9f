"""`--context` and `--anyway`: what the terminal commands do about the memory."""

import json

import pytest

from app import hardware
from app.cli import main
from app.hardware import MemoryReading

GIB = 1024**3


@pytest.fixture
def small(monkeypatch):
    """A computer whose other programs leave next to nothing."""
    reading = MemoryReading("RAM", False, 4 * GIB, 0, 4 * GIB - 2**27, "x")
    monkeypatch.setattr(hardware, "look", lambda ram=False: reading)


def test_a_model_that_does_not_fit_is_refused_before_it_is_loaded(default_model, small, capsys):
    assert main(["ask", "hello", "--model", str(default_model)]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert "close other programs or choose a smaller model. To load it all the same give --anyway." in err


def test_it_is_loaded_all_the_same_when_told_to(tiny_model, small, capsys):
    asked = ["ask", "hello", "--model", str(tiny_model), "--max-tokens", "3", "--json"]
    assert main(asked) == 1
    assert "give --anyway" in capsys.readouterr().err
    assert main([*asked, "--anyway"]) == 0
    assert json.loads(capsys.readouterr().out)["completion_tokens"] == 3


def test_a_chat_ends_at_the_context_that_was_asked_for(tiny_model, capsys):
    given = ["--model", str(tiny_model), "--dtype", "float32", "--context", "24", "--max-tokens", "400", "--json"]
    assert main(["ask", "Tell me everything there is to know about bread.", *given]) == 0
    assert json.loads(capsys.readouterr().out)["stop_reason"] == "context"


def test_a_context_below_one_is_refused(default_model, capsys):
    assert main(["ask", "hello", "--model", str(default_model), "--context", "0"]) == 1
    assert "--context must be at least 1." in capsys.readouterr().err


def test_a_training_that_does_not_fit_is_refused_before_it_begins(default_model, small, home, capsys):
    assert main(["train", "--model", str(default_model)]) == 1
    err = capsys.readouterr().err
    assert "Training is not possible now: " in err
