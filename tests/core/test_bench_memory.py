"""Memory of contenders and of whole processes, measured with processes whose memory is known."""

import sys
import time

import numpy as np
import pytest
import torch
from core.models import build, engine_for

from s3d_core.bench import processes
from s3d_core.bench.contenders import Ours
from s3d_core.bench.memory import HighWater, marks
from s3d_core.bench.run import measure
from s3d_core.settings import DraftSettings, SamplingSettings

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux sets a process's highest mark back")
_MB = 1 << 20


def touched(size: int) -> np.ndarray:
    return np.ones(size, dtype=np.uint8)


@on_linux
def test_growth_is_what_was_held_for_a_while_even_if_it_is_gone():
    water = HighWater(torch.device("cpu"))
    water.begin()
    held = touched(96 * _MB)
    del held
    assert 90 * _MB < (water.grown() or 0) < 130 * _MB
    water.begin()
    assert (water.grown() or 0) < 20 * _MB  # the peak before is not this one's


@on_linux
def test_where_the_mark_cannot_be_set_back_nothing_is_claimed(monkeypatch, tmp_path):
    water = HighWater(torch.device("cpu"))
    monkeypatch.setattr("s3d_core.bench.memory._CLEAR", tmp_path / "none" / "clear_refs")
    water.begin()
    assert water.grown() is None


@on_linux
def test_a_contenders_peak_is_what_it_holds_and_what_it_grew_by():
    engine = engine_for(build("llama"))
    drafting, plain = (Ours(engine, DraftSettings(name, 2, 4, 8)) for name in ("s3d", "plain"))
    assert drafting.held - plain.held == sum(engine.drafting_memory().values()) > 0
    rows = measure([plain, drafting], [("", [5, 6, 7])], SamplingSettings(max_tokens=6), lambda *_: None)
    assert rows[0].peak_bytes >= plain.held
    assert rows[1].peak_bytes >= drafting.held


@on_linux
def test_a_processs_life_is_measured_from_outside():
    code = (
        "import time, sys; time.sleep(0.3); print('first', flush=True); b = bytearray(150 << 20);"
        "time.sleep(0.3); del b; print('last'); print('problem', file=sys.stderr)"
    )
    found = processes.run([sys.executable, "-c", code])
    assert found is not None
    assert (found.code, found.out.split(), found.err.strip()) == (0, ["first", "last"], "problem")
    assert 0.3 < found.first_s < found.whole_s
    assert found.peak_bytes > 150 * _MB
    # The parent has torch; a child's peak is its own and not what it inherited before it became another program.
    assert found.peak_bytes < marks()["VmHWM"] + 150 * _MB - 60 * _MB
    assert found.own_bytes > 150 * _MB


def test_a_process_that_is_not_wanted_any_more_is_ended():
    began = time.monotonic()
    assert processes.run([sys.executable, "-c", "import time; time.sleep(60)"], stopped=lambda: True) is None
    assert time.monotonic() - began < 20


def test_starts_are_told_as_medians():
    runs = [processes.Run(0, first, 2 * first, size, None, "", "") for first, size in ((1, 30), (2, 10), (9, 20))]
    found = processes.record("a start", runs)
    assert (found["what"], found["starts"]) == ("a start", 3)
    assert found["first_token_s"] == {"median": 2, "quartiles": [1.5, 5.5]}
    assert found["peak_bytes"]["median"] == 20
    assert found["own_bytes"]["median"] is None
