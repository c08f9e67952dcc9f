"""Errors that nobody caught: written to the log with their traceback, and said in one sentence."""

import asyncio
import contextlib
import logging
import sys
import threading
from collections.abc import Callable

from PySide6.QtCore import QMessageLogContext, QtMsgType, qInstallMessageHandler

log = logging.getLogger(__name__)
qt_log = logging.getLogger("qt")

_LEVELS = {
    QtMsgType.QtDebugMsg: logging.DEBUG,
    QtMsgType.QtInfoMsg: logging.INFO,
    QtMsgType.QtWarningMsg: logging.WARNING,
    QtMsgType.QtCriticalMsg: logging.ERROR,
    QtMsgType.QtFatalMsg: logging.CRITICAL,
}


def catch_qt_messages() -> None:
    """What Qt complains of goes to the log, and to stderr as without us."""
    qInstallMessageHandler(_on_qt_message)


def let_qt_messages_go() -> None:
    """Before Python ends: Qt must not call into it any more."""
    qInstallMessageHandler(None)


def _on_qt_message(kind: QtMsgType, context: QMessageLogContext, message: str) -> None:
    qt_log.log(_LEVELS.get(kind, logging.WARNING), "%s", message)
    if sys.stderr is not None:
        print(message, file=sys.stderr)


def catch_errors(say: Callable[[str], None], leave: Callable[[], object]) -> None:
    """Catch errors of the main thread, of slots, of other threads, and of what is being thrown away.

    Args:
        say: shows a sentence; may be called from any thread.
        leave: called on Ctrl-C.
    """

    def on_error(kind, error, traceback) -> None:
        if issubclass(kind, KeyboardInterrupt):
            leave()
            return
        log.error("unexpected error", exc_info=(kind, error, traceback))
        with contextlib.suppress(RuntimeError):  # the window may be gone by now
            say(sentence(error or kind()))

    def on_unraisable(given) -> None:
        # It happened where Python cannot raise, as in __del__: nothing the user did has failed.
        log.error("unexpected error in %r", given.object, exc_info=given.exc_value)

    sys.excepthook = on_error
    sys.unraisablehook = on_unraisable
    threading.excepthook = lambda given: on_error(given.exc_type, given.exc_value, given.exc_traceback)


def catch_task_errors(loop: asyncio.AbstractEventLoop, say: Callable[[str], None]) -> None:
    """Catch errors of tasks and callbacks that nobody awaits."""

    def on_error(loop, context: dict) -> None:
        error = context.get("exception")
        log.error("unexpected error in a task: %s", context.get("message"), exc_info=error)
        if error is not None:
            say(sentence(error))

    loop.set_exception_handler(on_error)


def sentence(error: BaseException) -> str:
    """An unforeseen error in one sentence for the user."""
    said = str(error).strip().splitlines()
    return f"Something went wrong: {said[0] if said else type(error).__name__}"
