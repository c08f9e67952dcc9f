"""The program as a process in a bad place: no disk, a strange home, another locale, a clock that jumps, a sleep."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
from ui.scripted import ScriptedEngine
from ui.test_program_start import ROOT, start
from ui.test_window import reply_text, wait_for

from app.engine.phase import Phase
from app.engine.sentences import TOO_LONG

# Opens the window on the scripted engine, asks, waits for the answer, closes.
SCRIPT = """
import json, os, sys, time
{before}
from app import bootstrap
from app.engine import worker
from ui.scripted import ScriptedEngine, scripted_parts
RATE = float(os.environ.get("TOKENS_PER_SECOND", "100"))
worker.real_parts = lambda: scripted_parts(ScriptedEngine(reply="3.14 and 1,5 " * 60, tokens_per_second=RATE))
from PySide6.QtCore import QTimer
from app.ui.window import Window

told = {{"asked": False}}
show = Window.showEvent

def shown(window, event):
    show(window, event)
    window.link.finished.connect(lambda totals: end(window, totals))
    window.tick = QTimer(window, interval=50)
    window.tick.timeout.connect(lambda: ask(window))
    window.tick.start()

def ask(window):
    if window.link.phase == "ready" and not told["asked"]:
        told["asked"] = True
        window.chat.composer.field.setPlainText("Hello")
        window.chat.composer.button.click()
        print("asked", flush=True)

def end(window, totals):
    told["text"] = window.chat.transcript.messages[-1].body.text
    told["speed"] = totals.tokens_per_second
    QTimer.singleShot(100, window.close)

Window.showEvent = shown
told["code"] = bootstrap.run_window()
print(json.dumps(told))
"""


def script(before: str = "") -> str:
    return SCRIPT.format(before=before)


def answered(done: subprocess.CompletedProcess) -> dict:
    """What a run told, after a look at whether all of it went well."""
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["code"] == 0
    assert told["text"].startswith("3.14 and 1,5 3.14")
    return told


def test_a_home_with_foreign_letters(tmp_path):
    home = tmp_path / "Zoë Müller 日本"
    home.mkdir()
    answered(start(home, script(), HOME=str(home)))
    assert (home / "window.ini").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="a file of Linux that never takes a folder")
def test_a_home_that_cannot_be_written_still_chats(tmp_path):
    (tmp_path / "home").write_text("a file, where a folder should be")
    answered(start(tmp_path / "home", script()))


@pytest.mark.skipif(sys.platform == "win32", reason="the limit is that of Unix")
def test_a_disk_that_is_full_from_the_start_still_chats(tmp_path):
    full = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))"
    answered(start(tmp_path, script(full)))


@pytest.mark.skipif(shutil.which("localedef") is None, reason="needs localedef to make a locale")
def test_a_locale_with_a_decimal_comma(tmp_path):
    made = tmp_path / "locales"
    made.mkdir()
    subprocess.run(["localedef", "-i", "de_DE", "-f", "UTF-8", str(made / "de_DE.UTF-8")], check=True)
    home = tmp_path / "home"
    check = "import locale; locale.setlocale(locale.LC_ALL, ''); assert locale.localeconv()['decimal_point'] == ','"
    answered(start(home, script(check), LC_ALL="de_DE.UTF-8", LOCPATH=str(made)))


def test_a_clock_that_jumps_to_and_fro(tmp_path):
    jumping = (
        "real, steps = time.time, [0]\n"
        "def jumping():\n"
        "    steps[0] += 1\n"
        "    return real() + (-1) ** steps[0] * 86_400 * 400\n"
        "time.time = jumping"
    )
    told = answered(start(tmp_path, script(jumping)))
    assert 0 < told["speed"] < 1000


def started(tmp_path, **more) -> subprocess.Popen:
    environment = {**os.environ, "S3D_HOME": str(tmp_path), "QT_QPA_PLATFORM": "offscreen"}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    command = [sys.executable, "-c", script()]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=ROOT, env=environment | more, **pipes)


def finished(program: subprocess.Popen) -> subprocess.CompletedProcess:
    out, err = program.communicate(timeout=120)
    return subprocess.CompletedProcess(program.args, program.returncode, out, err)


def test_a_second_instance_leaves_the_first_one_in_peace(tmp_path):
    # So slow that it is still writing when the second one comes.
    with started(tmp_path, TOKENS_PER_SECOND="1") as first:
        assert first.stdout.readline() == "asked\n"
        second = finished(started(tmp_path))
        first.terminate()
        done = finished(first)
    assert second.returncode == 0, second.stderr
    assert json.loads(second.stdout.splitlines()[-1]) == {"asked": False, "code": 0}
    assert json.loads(done.stdout.splitlines()[-1])["code"] == 0
    assert not list((tmp_path / "runs").iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="Windows stops no process")
def test_a_sleep_in_the_middle_of_an_answer(tmp_path):
    with started(tmp_path) as program:
        assert program.stdout.readline() == "asked\n"
        program.send_signal(signal.SIGSTOP)
        time.sleep(1.5)
        program.send_signal(signal.SIGCONT)
        answered(finished(program))


def test_memory_that_ends_mid_answer_keeps_it_and_offers_to_go_on_plainly(window, engine, say, qtbot, monkeypatch):
    generate = ScriptedEngine.generate

    def short(self, *given, **named):
        for count, done in enumerate(generate(self, *given, **named)):
            if count == 2:
                raise MemoryError
            yield done

    with monkeypatch.context() as patch:
        patch.setattr(ScriptedEngine, "generate", short)
        say(window, "Hello")
        wait_for(qtbot, lambda: window.link.phase == Phase.READY)
    assert window.chat.notice.text == TOO_LONG
    assert reply_text(window)
    assert window.conversation.turns[-1].text
    button = window.chat.notice._action
    assert button.text() == "Turn drafting off"
    button.click()
    assert not window.panel.drafting.isChecked()
    say(window, "Again")
    assert reply_text(window) == engine.reply
    assert engine.seen[-1].strategy == "plain"
