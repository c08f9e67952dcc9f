"""The script of the checks on a GPU goes through, judges what can be judged without one, and says what fails."""

import json

import pytest
import torch
from gpu import run
from gpu.table import Table

from s3d_core import auto, steps

SMALL = ["--device", "cpu", "--small"]


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_every_check_runs_through_on_a_tiny_shape(capsys, monkeypatch):
    monkeypatch.setattr(auto, "_ROWS", (1, 9, 17))  # of the shapes that a model which is loaded is timed with
    status = run.main(SMALL)
    out = capsys.readouterr().out
    told = json.loads(out.splitlines()[-1])
    rows = {row["what"]: row for row in told["rows"]}
    assert status == 0, [row for row in told["rows"] if row["verdict"] == "FAIL"]
    assert not any("broke off" in row["measured"] for row in told["rows"])
    # Exactness and recordings are judged here too, times and memory are not.
    judged = {what for what, row in rows.items() if row["passed"]}
    assert len([what for what in judged if what.startswith("float32")]) == 3
    assert len([what for what in judged if what.startswith("waits for the device")]) == 3
    assert {"tokens of replays against those of calls", "memory that ends while a pass is recorded"} <= judged
    limits = {"<= 1.5 x", "<= 1.15 x", "<= 0.6 x", "<= 2 %", "<= 1.1 x"}
    assert {row["needed"] for row in told["rows"] if row["needed"].startswith("<=")} == limits
    assert all(row["passed"] is None for row in told["rows"] if row["needed"].startswith("<="))
    for name in ("bfloat16", "int8", "nf4", "int4"):
        assert rows[f"{name}: passes of few rows are recorded"]["passed"]
    assert "tokens/s, transformers' generate" in rows


def test_a_wrong_pass_fails_its_lines_and_the_exit_status(capsys, monkeypatch):
    right = steps.span_masks

    def blind(visible, *rest):
        return right(torch.eye(len(visible), dtype=torch.bool), *rest)

    monkeypatch.setattr(steps, "span_masks", blind)
    monkeypatch.setattr(run, "CHECKS", {"exactness": run.exact.check})
    assert run.main(SMALL) == 1
    out = capsys.readouterr().out
    assert "FAIL  float32, recorded, against transformers' greedy text" in out
    assert "PASS  float32, unrecorded, against transformers' greedy text" in out


def test_a_check_that_breaks_off_is_a_line_that_fails_and_the_next_one_runs(capsys, monkeypatch):
    def breaks(place, table):
        raise RuntimeError("no such kernel\nmore")

    monkeypatch.setattr(run, "CHECKS", {"first": breaks, "second": lambda place, table: table.note("here", "yes")})
    assert run.main(SMALL) == 1
    out = capsys.readouterr().out
    assert "FAIL  first: broke off: RuntimeError: no such kernel, needed runs through" in out
    assert "here: yes" in out


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_without_a_gpu_it_says_so(capsys):
    assert run.main([]) == 2
    assert capsys.readouterr().out.startswith("No NVIDIA GPU can be used by this installation of torch; ")


def test_the_large_shape_is_not_tried_on_a_processor(capsys):
    assert run.main(["--device", "cpu"]) == 2
    assert "give --small" in capsys.readouterr().out


def test_times_and_memory_decide_on_the_large_shape():
    table = Table()
    table.at_most("verify", 1.1, 1.15)
    assert table.passed
    table.at_most("draft", 0.7, 0.6)
    assert not table.passed
    assert [row.verdict for row in table.rows] == ["PASS", "FAIL"]
