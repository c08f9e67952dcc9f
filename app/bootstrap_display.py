"""Whether there is a display for a window, and one sentence where there is none.

Qt looks for its display while it makes the application, and ends the whole process where it finds none, with nothing
but lines about plugins. Its last message is the only moment to say something better.
"""

import ctypes
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

ASK = "s3d ask" if getattr(sys, "frozen", False) else "./start.sh ask"
OR_ASK = f'or chat in the terminal with `{ASK} "your question"`.'
NO_DISPLAY = f"There is no display to open a window on: start this on a desktop, {OR_ASK}"

log = logging.getLogger(__name__)


def has_display() -> bool:
    """Whether a window could be opened."""
    if sys.platform in ("win32", "darwin"):
        return True
    return any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"))


@contextmanager
def qt_ends_in_a_sentence(before_end: Callable[[], None]) -> Iterator[None]:
    """While it lasts, Qt's messages are kept for the log alone; its last one ends the program with one sentence.

    Args:
        before_end: called when Qt is about to end the process.
    """
    from PySide6.QtCore import QMessageLogContext, QtMsgType, qInstallMessageHandler

    heard: list[str] = []

    def on_message(kind: QtMsgType, context: QMessageLogContext, message: str) -> None:
        heard.append(message)
        if kind is QtMsgType.QtFatalMsg:
            _end(heard, before_end)
        if kind in (QtMsgType.QtWarningMsg, QtMsgType.QtCriticalMsg):
            log.warning("Qt: %s", message)

    qInstallMessageHandler(on_message)
    try:
        yield
    finally:
        qInstallMessageHandler(None)


def _end(heard: list[str], before_end: Callable[[], None]) -> NoReturn:
    sentence = why_no_window(heard, os.environ, lacks_cursor_library())
    log.critical("%s Qt said: %s", sentence, " | ".join(heard))
    print(sentence, file=sys.stderr, flush=True)
    before_end()
    # Behind Qt's last message the system's own end follows, which would be taken for a crash of this program.
    logging.shutdown()
    os._exit(1)


def why_no_window(heard: list[str], environment, lacks_library: bool) -> str:
    """One sentence made of what Qt said before it gave up.

    Args:
        heard: Qt's messages.
        environment: the variables of the process.
        lacks_library: the library that most systems lack is missing here.
    """
    said = " ".join(heard)
    if "could not connect to display" in said or "Failed to create wl_display" in said:
        display = environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY") or ""
        return f"The display {display} does not answer: start this on a desktop, {OR_ASK}".replace("  ", " ")
    if lacks_library:
        return (
            "The window needs the system's library libxcb-cursor.so.0, which is missing: install it (on Debian and "
            f"Ubuntu the package libxcb-cursor0), {OR_ASK}"
        )
    if wanted := environment.get("QT_QPA_PLATFORM"):
        return f"Qt cannot open a window on the platform {wanted!r}: unset QT_QPA_PLATFORM, {OR_ASK}"
    return f"Qt cannot open a window here, for its own reason, which is in the log: install what it asks for, {OR_ASK}"


def lacks_cursor_library() -> bool:
    """Whether a library is missing that Qt needs under X11 and does not bring along."""
    if sys.platform != "linux":
        return False
    try:
        ctypes.CDLL("libxcb-cursor.so.0")
    except OSError:
        return True
    return False
