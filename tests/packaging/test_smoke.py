"""The bundle as a user meets it: no Python, no network, an empty home, a display. Built first where it is missing.

Another place of the bundle can be given as S3D_BUNDLE.
"""

import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = float(os.environ.get("S3D_PATIENCE", "300"))

pytestmark = [pytest.mark.thorough, pytest.mark.skipif(sys.platform != "linux", reason="driven through Xvfb")]


@pytest.fixture(scope="module")
def bundle() -> Path:
    """The built folder."""
    if given := os.environ.get("S3D_BUNDLE"):
        return Path(given)
    folder = ROOT / "dist" / "S3D Chat"
    if not (folder / "s3d-chat").exists():
        subprocess.run([sys.executable, str(ROOT / "packaging" / "build.py"), "--forms", "folder"], check=True)
    return folder


@pytest.fixture
def environment(tmp_path) -> dict[str, str]:
    """A user's environment without ours: no Python, an empty home with a space and foreign letters, no network."""
    home = tmp_path / "Zoë Müller"
    home.mkdir()
    # Whoever tries to reach the network through these finds nobody.
    nowhere = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    return {
        "HOME": str(home),
        "PATH": "/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "S3D_HOME": str(home / "data"),
        "PIP_NO_INDEX": "1",
        **nowhere,
    }


def wait_for(what: str, condition: Callable[[], object], program: psutil.Popen | None = None, log: Path | None = None):
    """What the condition gives once it is true. `log` is where the program writes what it has to say."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if found := condition():
            return found
        if program is not None and program.poll() is not None:
            pytest.fail(f"the program ended while waiting for {what}: {log.read_text() if log else ''}")
        time.sleep(0.2)
    return pytest.fail(f"waited in vain for {what}")


def of_bundle(bundle: Path) -> list[psutil.Process]:
    """Processes that run a program of the bundle."""
    found = []
    for process in psutil.process_iter(["exe"]):
        if (process.info["exe"] or "").startswith(str(bundle)):
            found.append(process)
    return found


@pytest.fixture
def display(environment) -> Iterator[str]:
    """A display without a screen; xdotool types on it."""
    for tool in ("Xvfb", "xdotool"):
        if shutil.which(tool) is None:
            pytest.fail(f"{tool} is not installed: apt-get install -y xvfb xdotool")
    reading, writing = os.pipe()
    command = ["Xvfb", "-displayfd", str(writing), "-screen", "0", "1280x900x24", "-nolisten", "tcp"]
    server = subprocess.Popen(command, pass_fds=[writing], stderr=subprocess.DEVNULL)
    os.close(writing)
    with os.fdopen(reading) as told:
        environment["DISPLAY"] = f":{told.readline().strip()}"
    yield environment["DISPLAY"]
    server.terminate()
    server.wait()


def test_the_terminal_program_answers_with_s3d_and_without_a_network(bundle, environment, record_property):
    begun = time.monotonic()
    command = [str(bundle / "s3d"), "ask", "Why does bread rise?", "--max-tokens", "24", "--strategy", "s3d", "--json"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE)
    record_property("first_answer_s", round(time.monotonic() - begun, 1))
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["settings"]["strategy"] == "s3d"
    assert told["draft_n_accepted"] > 0
    assert len(told["text"]) > 20
    data = Path(environment["S3D_HOME"])
    if "avx512f" in Path("/proc/cpuinfo").read_text():
        # The compiled layers work in the bundle, and are kept where the user's data is.
        assert any((data / "compiled").iterdir())

    begun = time.monotonic()
    again = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE)
    record_property("second_answer_s", round(time.monotonic() - begun, 1))
    assert json.loads(again.stdout)["text"] == told["text"]
    wait_for("its processes to end", lambda: not of_bundle(bundle))


def test_the_terminal_program_without_a_command_tells_what_there_is(bundle, environment):
    done = subprocess.run([str(bundle / "s3d")], env=environment, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0
    assert "ask" in done.stdout


def test_a_double_click_chats_and_leaves_no_process(bundle, environment, display, tmp_path, record_property):
    def xdotool(*arguments: str) -> str:
        done = subprocess.run(["xdotool", *arguments], env=environment, capture_output=True, text=True, timeout=60)
        return done.stdout.strip()

    def said() -> list[tuple]:
        """The chat as it is stored: role, text, reason of the end, figures."""
        file = Path(environment["S3D_HOME"]) / "chats.sqlite3"
        with contextlib.suppress(sqlite3.Error):
            if file.exists():
                with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as chats:
                    return chats.execute("SELECT role, text, stop_reason, figures FROM messages ORDER BY id").fetchall()
        return []

    begun = time.monotonic()
    log = tmp_path / "said.txt"
    with log.open("w") as output:
        program = psutil.Popen(
            [str(bundle / "s3d-chat")], env=environment, cwd=tmp_path, stdout=output, stderr=subprocess.STDOUT
        )
    window = wait_for("the window", lambda: xdotool("search", "--onlyvisible", "--name", "^S3D Chat$"), program, log)
    record_property("window_s", round(time.monotonic() - begun, 1))
    xdotool("windowfocus", window.splitlines()[0])
    # The model is copied, unpacked and measured behind the window. Until it is there, Enter sends nothing.
    xdotool("type", "--delay", "40", "Why does bread rise?")

    def answered() -> list[tuple]:
        rows = said()
        if not rows:
            xdotool("key", "Return")
        return [row for row in rows if row[0] == "assistant" and row[2]]

    _, text, reason, figures = wait_for("an answer", answered, program, log)[0]
    record_property("answered_s", round(time.monotonic() - begun, 1))
    assert len(text) > 20
    assert reason in ("stop", "length")
    assert json.loads(figures)["accepted"] > 0

    xdotool("key", "ctrl+q")
    assert program.wait(PATIENCE) == 0
    wait_for("its processes to end", lambda: not of_bundle(bundle))
    assert not list((Path(environment["S3D_HOME"]) / "runs").iterdir())
