"""One program for each data folder: another start brings the first one's window forward."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from ui.conftest import PATIENCE_MS

from app.single_instance import NO_ANSWER, SingleInstance

ROOT = Path(__file__).resolve().parents[2]
SECOND = """
import sys
from pathlib import Path
from PySide6.QtCore import QCoreApplication
from app import single_instance
single_instance.PATIENCE_MS = int(sys.argv[2])
application = QCoreApplication([])
single = single_instance.SingleInstance(Path(sys.argv[1]))
print(single.claim() and "claimed" or single.raise_other() and "raised" or "no answer")
sys.stdout.flush()
if sys.argv[3:]:
    import os, signal
    os.kill(os.getpid(), signal.SIGKILL)
"""


def start(folder, patience=PATIENCE_MS, *more) -> subprocess.Popen:
    command = [sys.executable, "-c", SECOND, str(folder), str(patience), *more]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=dict(os.environ))


@pytest.fixture
def first(tmp_path, qapp):
    single = SingleInstance(tmp_path)
    assert single.claim()
    yield single
    single.release()


def test_a_second_start_raises_the_first_window(first, tmp_path, qtbot):
    with qtbot.waitSignal(first.raise_wanted, timeout=PATIENCE_MS):
        second = start(tmp_path)
    assert second.communicate()[0] == "raised\n"


def test_another_folder_is_another_program(first, tmp_path):
    (tmp_path / "other").mkdir()
    assert start(tmp_path / "other").communicate()[0] == "claimed\n"


def test_one_that_does_not_answer_is_not_waited_for_for_long(first, tmp_path):
    # Nobody runs the first one's event loop here.
    assert start(tmp_path, 200).communicate()[0] == "no answer\n"
    assert "already running" in NO_ANSWER


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signal")
def test_a_killed_program_leaves_no_claim_behind(tmp_path, qapp):
    killed = start(tmp_path, PATIENCE_MS, "kill")
    assert killed.communicate()[0] == "claimed\n"
    single = SingleInstance(tmp_path)
    assert single.claim()
    single.release()


def test_a_folder_that_cannot_be_written_to_has_no_other_user(tmp_path, qapp):
    single = SingleInstance(tmp_path / "missing" / "folder")
    assert single.claim()
    single.release()


def test_the_window_comes_forward(window):
    window.showMinimized()
    window.come_forward()
    assert not window.isMinimized()
    assert window.isVisible()
