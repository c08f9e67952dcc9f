"""The log and the report: what is in them, and what never is."""

import json
import logging
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from logged import started_log

from app.diagnostics import hooks, log, private
from app.diagnostics.report import report
from app.diagnostics.runs import Ended, Run

SECRET = "My sister Ottilie lives in Wuppertal and her door code is 4711."
TOKEN = "hf_" + "AbCdEfGhIjKlMnOpQrStUvWxYz"


@pytest.fixture
def keep(monkeypatch) -> private.Private:
    """A memory of private texts of the test's own."""
    fresh = private.Private()
    monkeypatch.setattr(private, "private", fresh)
    for module in ("log", "report", "runs"):
        monkeypatch.setattr(f"app.diagnostics.{module}.private", fresh)
    return fresh


@pytest.fixture
def written(home, keep):
    """Starts the log in an empty home; gives what is in it."""
    with started_log(home) as read:
        yield read


def test_an_error_that_quotes_a_chat_is_logged_without_it(written, keep):
    keep.remember(SECRET)
    keep.write_on("Wuppertal is a city ")
    keep.write_on("with a hanging railway.")
    try:
        raise ValueError(f"cannot encode {SECRET!r} behind 'city with a hanging railway'")
    except ValueError:
        logging.getLogger("test").exception("unexpected error")
    text = written()
    assert "ValueError: cannot encode" in text
    assert "Ottilie" not in text
    assert "4711" not in text
    assert "railway" not in text


def test_a_short_message_is_kept_out_as_a_whole(written, keep):
    keep.remember("PIN 4711")
    logging.getLogger("test").error("cannot parse 'PIN 4711'")
    assert "4711" not in written()


def test_the_log_is_for_its_owner_alone(written, home):
    logging.getLogger("test").error("something")
    assert written()
    if os.name == "posix":
        assert stat.S_IMODE((home / log.NAME).stat().st_mode) == 0o600


def test_the_log_turns_over_and_stays_small(written, home):
    for _ in range(300):
        logging.getLogger("test").error("x" * 10_000)
    sizes = [path.stat().st_size for path in home.glob("s3d-chat.log*")]
    assert len(sizes) == 2
    assert max(sizes) <= log.MOST_BYTES


@pytest.mark.parametrize(
    "text",
    [
        f"401 for {TOKEN}",
        "Authorization: Bearer abcdefgh12345678",
        "GET /models?token=abcdefgh12345678",
        "the key sk-abcdefgh12345678 was refused",
        f"the server's key s3d-abcdefgh{'x' * 35}",
    ],
)
def test_tokens_never_get_through(text):
    scrubbed = private.Private().scrub(text)
    assert "[token]" in scrubbed
    assert "efgh" not in scrubbed.lower()


def test_the_home_folder_is_not_named():
    assert str(Path.home()) not in private.Private().scrub(f"No such file: {Path.home() / 'x.gguf'}")


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(before=st.text(max_size=30), chat=st.text(min_size=private.RUN, max_size=80), after=st.text(max_size=30))
def test_no_long_run_of_a_chat_survives(before, chat, after):
    keep = private.Private()
    keep.remember(chat)
    scrubbed = keep.scrub(before + chat + after).replace("[chat]", "\0").replace("[token]", "\0")
    runs = {chat[at : at + private.RUN] for at in range(len(chat) - private.RUN + 1)}
    if "\0" not in chat:
        assert not any(run in scrubbed for run in runs)


def test_the_memory_of_chats_is_bounded():
    keep = private.Private()
    for number in range(100):
        keep.remember(str(number) * 10_000)
    keep.write_on("x" * 500_000)
    assert sum(map(len, keep._texts)) + len(keep._written) <= 2 * private.MOST_KEPT


def test_the_report_tells_versions_hardware_settings_and_log_and_no_chat_or_token(written, keep, home):
    keep.remember(SECRET)
    (home / "window.ini").write_text(f'[General]\ntheme=dark\nwidth=1180\nsystem_prompt="{SECRET}"\n', encoding="utf-8")
    stored = {"temperature": 0.2, "hub_token": TOKEN, "presets": {SECRET: {"top_k": 40}}, "seeds": [1, 2]}
    (home / "settings.json").write_text(json.dumps(stored), encoding="utf-8")
    logging.getLogger("test").error("the hub refused %s while reading %s", TOKEN, SECRET)
    text = report({"model": "LlamaForCausalLM, 30 layers", "phase": "ready"}, Ended(1.0, "0.0.9", "Fatal: " + SECRET))
    for wanted in ("S3D Chat 0.", "Python: ", "torch: ", "memory: ", "GPU", "LlamaForCausalLM", "theme: dark"):
        assert wanted in text
    assert "temperature: 0.2" in text
    assert "the hub refused [token]" in text
    assert "Fatal: " in text
    for unwanted in ("Ottilie", "4711", "Wuppertal", TOKEN[3:]):
        assert unwanted not in text


def test_settings_that_cannot_be_read_do_not_spoil_the_report(home, keep):
    home.mkdir()
    (home / "settings.json").write_text("{", encoding="utf-8")
    (home / "window.ini").write_bytes(b"\xff\xfe[")
    text = report({})
    assert "settings.json: cannot be read" in text
    assert "window.ini: cannot be read" in text


def test_a_run_that_ended_leaves_no_note(home):
    run = Run()
    run.begin()
    assert list((home / "runs").iterdir())
    run.end()
    assert not list((home / "runs").iterdir())
    after = Run()
    after.begin()
    assert after.before is None
    after.end()


def test_a_run_that_goes_on_is_no_crash(home):
    first, second = Run(), Run()
    first.begin()
    second.begin()
    assert second.before is None
    second.end()
    first.end()


BREAKING = """
import os, sys
from app.diagnostics.runs import Run
run = Run()
run.begin()
print("begun", flush=True)
{accident}
"""


@pytest.mark.parametrize(
    ("accident", "said", "fault"),
    [
        ("import ctypes; ctypes.string_at(0)", "crashed", "Segmentation fault"),
        ("os.abort()", "crashed", "Aborted"),
        ("run.crash(ValueError('the last straw'))\nos._exit(1)", "crashed", "ValueError: the last straw"),
        ("os.kill(os.getpid(), 9)", "ended from outside", ""),
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="Windows names its faults otherwise")
def test_the_next_run_knows_how_the_last_one_broke_off(home, keep, accident, said, fault):
    environment = {**os.environ, "S3D_HOME": str(home)}
    command = [sys.executable, "-c", BREAKING.format(accident=accident)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.stdout == "begun\n", done.stderr
    assert done.returncode != 0
    run = Run()
    run.begin()
    run.end()
    assert said in run.before.sentence
    assert fault in run.before.fault
    assert bool(run.before.fault) == bool(fault)
    again = Run()
    again.begin()
    again.end()
    assert again.before is None


def test_a_note_that_cannot_be_understood_is_thrown_away(home):
    (home / "runs").mkdir(parents=True)
    (home / "runs" / "1-1.run").write_bytes(b"\xff{")
    run = Run()
    run.begin()
    assert run.before is None
    run.end()
    assert not list((home / "runs").iterdir())


def test_errors_of_threads_and_of_what_is_thrown_away_are_logged(written, monkeypatch):
    for name in ("excepthook", "unraisablehook"):
        monkeypatch.setattr(sys, name, getattr(sys, name))
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    said: list[str] = []
    hooks.catch_errors(said.append, lambda: None)

    class Bad:
        def __del__(self):
            raise KeyError("in the end")

    thread = threading.Thread(target=lambda: 1 / 0)
    thread.start()
    thread.join()
    del thread
    bad = Bad()
    del bad
    assert said == ["Something went wrong: division by zero"]
    assert "ZeroDivisionError" in written()
    assert "in the end" in written()


def test_an_error_of_a_task_that_nobody_awaits_is_said_and_logged(written):
    import asyncio
    import gc

    said: list[str] = []

    async def lose_a_task() -> None:
        hooks.catch_task_errors(asyncio.get_running_loop(), said.append)

        async def fail() -> None:
            raise RuntimeError("lost")

        task = asyncio.create_task(fail())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        del task
        gc.collect()

    asyncio.run(lose_a_task())
    assert said == ["Something went wrong: lost"]
    assert "RuntimeError: lost" in written()


def test_what_qt_complains_of_is_logged(written, capsys):
    from PySide6.QtCore import qWarning

    hooks.catch_qt_messages()
    try:
        qWarning("a strange thing")
    finally:
        hooks.let_qt_messages_go()
    assert "WARNING MainThread qt: a strange thing" in written()
    assert "a strange thing" in capsys.readouterr().err
