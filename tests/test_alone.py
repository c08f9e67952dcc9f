"""Tests marked `alone` run beside no other, while the others do run side by side."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import alone
import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the tests run in one process there")

# Each process runs all of these, so that which of them the scheduler would have given to whom is of no matter.
TESTS = """
import os, time
from pathlib import Path
import pytest

worker = os.environ["PYTEST_XDIST_WORKER"]

def note(what, number):
    with Path(__file__).with_name("log").open("a") as opened:
        opened.write(f"{what} {worker} {number}\\n")

@pytest.mark.parametrize("number", [pytest.param(n, marks=pytest.mark.alone if n % 4 == 1 else []) for n in range(16)])
def test_one(number):
    note("begin", number)
    time.sleep(0.05)
    note("end", number)

def test_all_meet():
    here = Path(__file__).parent
    (here / worker).touch()
    until = time.monotonic() + 60
    while len(list(here.glob("gw?"))) < 2:
        assert time.monotonic() < until
        time.sleep(0.01)
"""


def test_a_test_that_is_alone_runs_beside_no_other(tmp_path: Path):
    shutil.copy2(str(alone.__file__), tmp_path)  # the locks are those of its folder: this test holds ours
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["alone"]\n')
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = alone\npythonpath = .\n")
    (tmp_path / "test_some.py").write_text(TESTS)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    command = [sys.executable, "-m", "pytest", "-n", "2", "--dist", "each"]
    done = subprocess.run(command, cwd=tmp_path, env=clean, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout
    assert "34 passed" in done.stdout
    events = (tmp_path / "log").read_text().splitlines()
    assert len(events) == 64
    for number in range(1, 16, 4):
        for worker in ("gw0", "gw1"):
            begun = events.index(f"begin {worker} {number}")
            assert events[begun + 1] == f"end {worker} {number}"
