import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from app.cli import main

ROOT = Path(__file__).resolve().parents[2]
FLOAT32 = ("--dtype", "float32")

KEYS = [
    "text",
    "token_ids",
    "prompt_tokens",
    "completion_tokens",
    "stop_reason",
    "time_to_first_token_ms",
    "tokens_per_second",
    "plain_tokens_per_second",
    "speedup",
    "rounds",
    "tokens_per_round",
    "draft_n",
    "draft_n_accepted",
    "accepted_per_slot",
    "model",
    "device",
    "dtype",
    "settings",
]


def sentence(done, code=1):
    """The one line of an error, checked to be just that."""
    assert done.returncode == code
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    return lines[0]


@pytest.mark.parametrize("prompt", ["", "  \n"])
def test_an_empty_prompt_is_refused_before_anything_is_loaded(s3d_here, home, prompt):
    assert "The prompt is empty" in sentence(s3d_here("ask", prompt))
    assert "The prompt is empty" in sentence(s3d_here("ask", "-", stdin=prompt))
    assert not home.exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("--temperature", "-1"),
        ("--temperature", "nan"),
        ("--top-p", "0"),
        ("--top-k", "-3"),
        ("--min-p", "2"),
        ("--repetition-penalty", "0"),
        ("--seed", "-1"),
        ("--max-tokens", "0"),
        ("--stop", ""),
        ("--skip", "-1"),
        ("--draft", "9"),
        ("--tree", "65"),
        ("--least", "2"),
        ("--exactness", "1.5"),
        ("--strategy", "magic"),
    ],
)
def test_a_value_out_of_range_is_refused_before_anything_is_loaded(s3d_here, home, arguments):
    assert sentence(s3d_here("ask", "hello", *arguments)).endswith(".")
    assert not home.exists()


def test_an_unknown_model_is_one_sentence(s3d_here, home_with_model):
    said = sentence(s3d_here("ask", "hello", "--model", "Huge-70B"))
    assert "There is no model 'Huge-70B'" in said
    assert "SmolLM2-135M-Instruct" in said


def test_a_truncated_model_is_one_sentence(s3d_here, default_model, tmp_path):
    cut = tmp_path / "cut.gguf"
    with default_model.open("rb") as file:
        cut.write_bytes(file.read(40_000_000))
    said = sentence(s3d_here("ask", "hello", "--model", str(cut)))
    assert "was cut off: 40,000,000 of 98,362,432 bytes are there" in said


def test_a_model_that_is_no_model_is_one_sentence(s3d_here, tmp_path):
    rubbish = tmp_path / "rubbish.gguf"
    rubbish.write_bytes(b"not a model" * 100)
    assert "damaged or is not a model file" in sentence(s3d_here("ask", "hello", "--model", str(rubbish)))


@pytest.mark.usefixtures("in_memory")
def test_too_many_skipped_layers_for_this_model(s3d_here):
    said = sentence(s3d_here("ask", "hello", *FLOAT32, "--strategy", "skip", "--skip", "500"))
    assert "500" in said


@pytest.mark.usefixtures("in_memory")
def test_a_prompt_longer_than_the_context(s3d_here):
    said = sentence(s3d_here("ask", "-", *FLOAT32, "--max-tokens", "4", stdin="word " * 20_000))
    assert "context holds" in said


@pytest.mark.parametrize("arguments", [("ask",), ("ask", "hi", "--draft", "many"), ("nonsense",), ()])
def test_a_wrong_usage_exits_with_2(s3d_here, arguments):
    done = s3d_here(*arguments)
    assert done.returncode == 2
    assert "usage: s3d" in done.stderr


def test_an_answer_streams_and_ends_with_one_status_line(s3d, default_model):
    done = s3d("ask", "-", "--max-tokens", "8", stdin="What is the capital of France?")
    assert done.returncode == 0
    assert "Paris" in done.stdout
    assert "Traceback" not in done.stderr
    status = done.stderr.splitlines()[-1]
    for part in ("tokens/s", "× plain decoding", "tokens per round", "drafts accepted"):
        assert part in status


@pytest.mark.usefixtures("in_memory")
def test_json_is_one_object_with_every_key(s3d_here):
    skipping = ("--strategy", "skip", "--skip", "6")
    done = s3d_here("ask", "Name three colours.", "--json", *FLOAT32, "--max-tokens", "12", *skipping)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert list(report) == KEYS
    assert report["completion_tokens"] == len(report["token_ids"]) == 12
    assert report["stop_reason"] == "length"
    assert report["prompt_tokens"] > 10
    assert 0 <= report["draft_n_accepted"] <= report["draft_n"]
    assert report["tokens_per_round"] == pytest.approx(12 / report["rounds"], abs=1e-3)
    assert report["speedup"] == pytest.approx(report["tokens_per_second"] / report["plain_tokens_per_second"], abs=0.01)
    assert report["settings"]["strategy"] == "skip"
    assert report["settings"]["skipped"] == 6
    assert report["settings"]["max_tokens"] == 12


@pytest.mark.usefixtures("in_memory")
def test_every_strategy_gives_the_same_text_and_a_stop_text_ends_it(s3d_here):
    ask = ("ask", "Count from one to ten.", "--json", *FLOAT32, "--max-tokens", "24")
    plain = json.loads(s3d_here(*ask, "--strategy", "plain").stdout)
    lookup = json.loads(s3d_here(*ask, "--strategy", "lookup", "--stop", plain["text"][8:12]).stdout)
    assert lookup["stop_reason"] == "stop"
    assert lookup["text"] == plain["text"][: plain["text"].index(plain["text"][8:12])]


class Terminal:
    """A real terminal for the stderr of an `s3d ask` process, and what was shown on it so far."""

    def __init__(self, *arguments):
        import pty

        self._ours, theirs = pty.openpty()
        command = [sys.executable, "-m", "app.cli", "ask", *arguments]
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=theirs)
        os.close(theirs)
        self.shown = ""

    def wait_for(self, text, seconds=120):
        """Read until `text` has been shown."""
        deadline = time.monotonic() + seconds
        while text not in self.shown:
            assert time.monotonic() < deadline, self.shown
            if select.select([self._ours], [], [], 0.1)[0]:
                self.shown += os.read(self._ours, 4096).decode()

    def finish(self):
        """Wait for the end; returns stdout."""
        assert self.process.stdout
        out = self.process.stdout.read().decode()
        self.process.wait(60)
        self.process.stdout.close()
        while True:
            try:
                more = os.read(self._ours, 4096).decode()
            except OSError:  # how Linux tells that the other side is closed
                more = ""
            if not more:
                break
            self.shown += more
        os.close(self._ours)
        return out


# Such a penalty makes words come again, so that the answer does not end by itself.
LONG = ("Write a long story about a lighthouse.", "--max-tokens", "6000", "--repetition-penalty", "0.8")
needs_terminal = pytest.mark.skipif(os.name == "nt", reason="Windows has neither pseudo-terminals nor SIGINT to send")


@needs_terminal
@pytest.mark.parametrize("as_json", [False, True])
def test_ctrl_c_stops_the_answer_and_keeps_what_was_measured(default_model, as_json):
    terminal = Terminal(*LONG, *(["--json"] if as_json else []))
    terminal.wait_for("Ready")
    time.sleep(2)  # the progress line says nothing of the answer, which begins at once
    began = time.monotonic()
    terminal.process.send_signal(signal.SIGINT)
    out = terminal.finish()
    assert terminal.process.returncode == 130, terminal.shown
    assert time.monotonic() - began < 15
    assert "Traceback" not in terminal.shown
    if as_json:
        report = json.loads(out)
        assert list(report) == KEYS
        assert report["stop_reason"] == "cancelled"
        assert 0 < report["completion_tokens"] < 2000
    else:
        assert out.strip()
        assert "stopped by you" in terminal.shown.splitlines()[-1]


@needs_terminal
def test_ctrl_c_while_loading_is_quiet(default_model):
    terminal = Terminal("hello")
    terminal.wait_for("Loading")
    terminal.process.send_signal(signal.SIGINT)
    out = terminal.finish()
    assert terminal.process.returncode == 130
    assert out == ""
    assert "Traceback" not in terminal.shown
    assert "Stopped." in terminal.shown


def test_a_format_that_verifies_slowly_is_said_once_on_stderr(tiny_model, monkeypatch, capsys):
    asked = ["ask", "hello", "--model", str(tiny_model), "--device", "cpu", "--dtype", "nf4", "--max-tokens", "3"]
    monkeypatch.setattr("s3d_core.stats.SLOW_VERIFY", 0.0)
    assert main([*asked, "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["dtype"] == "nf4"
    assert err.startswith("Verifying is slow in nf4 here: 17 rows take ")
    assert err.endswith(" a plain step, so that drafts gain little; --dtype bfloat16 gains more where it fits.\n")
    monkeypatch.setattr("s3d_core.stats.SLOW_VERIFY", 1e9)
    assert main([*asked, "--json"]) == 0
    assert capsys.readouterr().err == ""
