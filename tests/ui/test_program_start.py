"""The program as a process: the window comes fast and without torch, and everything ends when it is closed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.bootstrap_display import why_no_window

ROOT = Path(__file__).resolve().parents[2]

SCRIPT = """
import json, sys, time
import psutil
from app import bootstrap
from app.engine import link, worker
from ui.scripted import ScriptedEngine, scripted_parts
worker.real_parts = lambda: scripted_parts(ScriptedEngine())
from PySide6.QtCore import QEvent, QObject, QTimer
from PySide6.QtWidgets import QApplication
from app.ui.window import Window

told = {}
show = Window.showEvent

def shown(window, event):
    show(window, event)
    told["visible"] = time.time() - psutil.Process().create_time()
    told["heavy"] = sorted({"torch", "transformers"} & set(sys.modules))
    QTimer.singleShot(1500, lambda: close(window))

def close(window):
    told["phase"] = window.link.phase
    told["gauge"] = window.topbar.gauge.accessibleDescription()
    told["log"] = [entry.name for entry in __import__("pathlib").Path(sys.argv[1]).iterdir()]
    window.close()

Window.showEvent = shown
told["code"] = bootstrap.run_window()
told["threads"] = psutil.Process().num_threads()
print(json.dumps(told))
"""


def start(tmp_path, script=SCRIPT, **environment) -> subprocess.CompletedProcess:
    settings = {
        **os.environ,
        "S3D_HOME": str(tmp_path),
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")]),
    }
    settings |= {"QT_QPA_PLATFORM": "offscreen"} | environment
    settings = {name: value for name, value in settings.items() if value is not None}
    command = [sys.executable, "-c", script, str(tmp_path)]
    return subprocess.run(command, cwd=ROOT, env=settings, capture_output=True, text=True, timeout=60)


@pytest.mark.alone
def test_the_window_is_visible_within_three_seconds_and_closes_cleanly(tmp_path, record_property):
    done = start(tmp_path)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    record_property("visible_s", round(told["visible"], 2))
    assert told["visible"] < 3
    assert told["heavy"] == []
    assert told["phase"] == "ready"
    assert "Free: " in told["gauge"]
    assert told["code"] == 0
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="these always have a display")
def test_without_a_display_it_says_so_and_names_ask(tmp_path):
    script = "import sys; sys.argv = ['s3d-chat']; from app.__main__ import main; sys.exit(main())"
    done = start(tmp_path, script, QT_QPA_PLATFORM=None, DISPLAY=None, WAYLAND_DISPLAY=None)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "no display" in done.stderr
    assert "./start.sh ask" in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="these always have a display")
@pytest.mark.parametrize(
    ("platform", "said"),
    [("xcb", "The display :4077 does not answer: start this on a desktop"), ("mars", "on the platform 'mars'")],
)
def test_where_qt_finds_no_display_one_sentence_is_said_and_logged(tmp_path, platform, said):
    script = "import sys; sys.argv = ['s3d-chat']; from app.__main__ import main; sys.exit(main())"
    done = start(tmp_path, script, QT_QPA_PLATFORM=platform, DISPLAY=":4077", WAYLAND_DISPLAY=None)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert said in done.stderr
    assert "./start.sh ask" in done.stderr
    assert said in (tmp_path / "s3d-chat.log").read_text(encoding="utf-8")
    # It is no crash for the next start to tell of.
    assert not list((tmp_path / "runs").iterdir())


def test_a_missing_library_of_the_system_is_named():
    heard = ['Could not load the Qt platform plugin "xcb" in "" even though it was found.']
    assert "libxcb-cursor0" in why_no_window(heard, {"DISPLAY": ":0"}, lacks_library=True)
    assert "which is in the log" in why_no_window(heard, {"DISPLAY": ":0"}, lacks_library=False)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 0)])
def test_a_signal_ends_the_program_in_order(tmp_path, name, code):
    ending = f"    import os, signal\n    os.kill(os.getpid(), signal.{name})"
    done = start(tmp_path, SCRIPT.replace("    window.close()", ending))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["code"] == code
    assert "QThread" not in done.stderr


def test_an_error_nobody_caught_is_said_in_the_window_and_logged(tmp_path):
    accident = SCRIPT.replace(
        '    told["phase"]',
        '    QTimer.singleShot(0, lambda: 1 / 0)\n    QApplication.processEvents()\n    told["phase"]',
    ).replace("    window.close()", "    QTimer.singleShot(300, lambda: finish(window))")
    accident = accident.replace(
        "Window.showEvent = shown",
        "def finish(window):\n    told['notice'] = window.chat.notice.text\n    window.close()\n"
        "Window.showEvent = shown",
    )
    done = start(tmp_path, accident)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["notice"] == "Something went wrong: division by zero"
    assert "ZeroDivisionError" in (tmp_path / "s3d-chat.log").read_text(encoding="utf-8")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps a user's folders by other means")
def test_what_the_window_writes_is_for_its_owner_alone(tmp_path):
    logging = SCRIPT.replace(
        "    window.close()", "    __import__('logging').warning('for the log')\n    window.close()"
    )
    done = start(tmp_path, logging)
    assert done.returncode == 0, done.stderr
    written = {entry.name: entry.stat().st_mode & 0o077 for entry in tmp_path.rglob("*")}
    assert {"s3d-chat.log", "window.ini"} <= set(written)
    assert set(written.values()) == {0}


def test_qt_calls_do_not_wear_out_none():
    # PySide6 6.12.0 took one reference to None too many in every call that returns nothing, which only Pythons before
    # 3.12 count: after some thousand calls the interpreter died with "none_dealloc: deallocating None".
    from PySide6.QtCore import QTimer

    timer = QTimer()
    before = sys.getrefcount(None)
    for _ in range(1000):
        timer.stop()
    assert sys.getrefcount(None) > before - 500
