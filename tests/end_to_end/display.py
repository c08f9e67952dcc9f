"""A display without a screen, a hand on its mouse and keyboard, and the program on it."""

import contextlib
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from PIL import Image, ImageGrab

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = float(os.environ.get("S3D_PATIENCE", "180"))
TOOLS = ("Xvfb", "xdotool")


def missing_tools() -> list[str]:
    """What is not installed of what this needs."""
    return [tool for tool in TOOLS if shutil.which(tool) is None]


@contextlib.contextmanager
def display(width: int, height: int) -> Iterator[str]:
    """A display of its own; gives its name."""
    reading, writing = os.pipe()
    command = ["Xvfb", "-displayfd", str(writing), "-screen", "0", f"{width}x{height}x24", "-nolisten", "tcp"]
    server = subprocess.Popen(command, pass_fds=[writing], stderr=subprocess.DEVNULL)
    os.close(writing)
    try:
        with os.fdopen(reading) as told:
            yield f":{told.readline().strip()}"
    finally:
        server.terminate()
        server.wait()


class Visit:
    """A user before the running program: sees through `watched`, acts through xdotool alone.

    Args:
        display: where the window opens.
        home: the program's data folder.
    """

    def __init__(self, display: str, home: Path):
        self.home = home
        self._socket = home.parent / "seen"
        # All threads, as users have them, where the tests themselves make do with one.
        hidden = ("QT_QPA_PLATFORM", "WAYLAND_DISPLAY", "XDG_SESSION_TYPE", "OMP_NUM_THREADS")
        self._environment = {name: value for name, value in os.environ.items() if name not in hidden}
        self._environment |= {"DISPLAY": display, "S3D_HOME": str(home), "LANG": "C.UTF-8"}
        self._environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
        self._output = (home.parent / "output").open("w+")
        command = [sys.executable, "-m", "end_to_end.watched", str(self._socket)]
        self.program = psutil.Popen(
            command, cwd=ROOT, env=self._environment, stdout=self._output, stderr=subprocess.STDOUT
        )
        self._display = display

    # -- looking -------------------------------------------------------------------------------------------------

    def seen(self) -> list[dict]:
        """What is on the screen; nothing before there is a window."""
        with socket.socket(socket.AF_UNIX) as caller, contextlib.suppress(OSError, ValueError):
            caller.settimeout(30)
            caller.connect(str(self._socket))
            with caller.makefile("rb") as told:
                return json.loads(told.read())
        return []

    def find(self, **wanted) -> list[dict]:
        """What is seen that has all of these properties, from top to bottom."""
        found = [part for part in self.seen() if all(part[name] == value for name, value in wanted.items())]
        return sorted(found, key=lambda part: (part["y"], part["x"]))

    def wait(self, what: str, condition: Callable[[], object]):
        """What the condition gives once it is true."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if found := condition():
                return found
            if self.program.poll() is not None:
                pytest.fail(f"the program ended while waiting for {what}: {self.output}")
            time.sleep(0.05)
        shown = [part["text"] for part in self.find() if part["text"]]
        return pytest.fail(f"waited in vain for {what}; the window shows {shown}")

    def wait_for(self, **wanted) -> dict:
        """The last of what has these properties, once it is seen."""
        return self.wait(str(wanted), lambda: self.find(**wanted))[-1]

    def wait_still(self, **wanted) -> dict:
        """The last of what has these properties, once it has stopped moving."""
        while True:
            before = self.wait_for(**wanted)
            time.sleep(0.3)
            if self.wait_for(**wanted) == before:
                return before

    def wait_gone(self, **wanted) -> None:
        """Wait until nothing has these properties."""
        self.wait(f"the end of {wanted}", lambda: not self.find(**wanted))

    def grab(self, width: int, height: int) -> Image.Image:
        """The upper left part of the screen as it is."""
        return ImageGrab.grab(bbox=(0, 0, width, height), xdisplay=self._display)

    @property
    def output(self) -> str:
        """What the program wrote to its terminal."""
        self._output.flush()
        return Path(self._output.name).read_text(encoding="utf-8")

    def rows(self, question: str) -> list[sqlite3.Row]:
        """What the file of chats answers, read while the program writes it."""
        file = self.home / "chats.sqlite3"
        with contextlib.suppress(sqlite3.Error):
            if file.exists():
                with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as chats:
                    chats.row_factory = sqlite3.Row
                    return chats.execute(question).fetchall()
        return []

    # -- acting --------------------------------------------------------------------------------------------------

    def xdotool(self, *arguments: object) -> str:
        """One command of xdotool."""
        command = ["xdotool", *map(str, arguments)]
        done = subprocess.run(command, env=self._environment, capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def press(self, *keys: str) -> None:
        """Keys one after another, as xdotool names them."""
        self.xdotool("key", "--delay", 30, *keys)

    def type(self, text: str) -> None:
        """Type a text into what has the keyboard."""
        self.xdotool("type", "--delay", 8, text)

    def click(self, part: dict, button: int = 1) -> None:
        """Go there with the mouse and click."""
        self.point(part["x"] + part["width"] // 2, part["y"] + part["height"] // 2)
        self.xdotool("click", button)

    def point(self, x: float, y: float) -> None:
        """Move the mouse, from a little aside, as a hand does."""
        self.xdotool("mousemove", int(x) - 2, int(y) - 1, "mousemove", int(x), int(y))

    def scroll(self, part: dict, up: int) -> None:
        """Turn the wheel over it."""
        self.point(part["x"] + part["width"] // 2, part["y"] + part["height"] // 2)
        self.xdotool("click", "--repeat", up, "--delay", 5, 4)

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Press at one place, go to another in steps, let go."""
        self.point(*start)
        self.xdotool("mousedown", 1)
        for step in range(1, 9):
            x, y = (int(a + (b - a) * step / 8) for a, b in zip(start, end, strict=True))
            self.xdotool("mousemove", x, y)
        self.xdotool("mouseup", 1)

    def choose(self, line: str) -> None:
        """A line of the menu at the right of the top bar."""
        self.click(self.wait_for(name="Menu", kind="control"))
        self.click(self.wait_for(kind="line", text=line))
        self.wait_gone(kind="line")

    def focus_main(self) -> None:
        """The keyboard to the main window: no window manager is here to give it back when a dialog is closed."""
        self.xdotool("windowfocus", "--sync", self.main)

    def resize(self, width: int, height: int) -> None:
        """Give the main window a size, at the upper left of the screen."""
        self.xdotool("windowmove", self.main, 0, 0, "windowsize", self.main, width, height)
        self.wait_for(kind="window", **{"class": "Window"}, x=0, y=0, width=width, height=height)

    @property
    def main(self) -> str:
        """The main window's number."""
        return self.xdotool("search", "--onlyvisible", "--name", "^S3D Chat$").splitlines()[0]

    def end(self) -> None:
        """Whatever happened, leave no process."""
        with contextlib.suppress(psutil.NoSuchProcess):
            for process in [*self.program.children(recursive=True), self.program]:
                process.kill()
        self.program.wait()
        self._output.close()
