"""Work that takes a while, such as reading, copying and deleting models, beside the window."""

import logging
import threading
from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QObject, Signal, Slot

from s3d_core.errors import S3DError

log = logging.getLogger(__name__)

Report = Callable[[str, float], None]


class StoppedError(Exception):
    """Raised in a report to leave a task when the window closes."""


class Tasks(QObject):
    """Runs each task in a thread of its own, and says in the window's thread how it went.

    Signals:
        progress: (words, 0..1) of what any task does.
    """

    progress = Signal(str, float)
    _ended = Signal(object, object, str)

    def __init__(self, parent: QObject | None = None):
        super().__init__(parent)
        self._closing = threading.Event()
        self._ended.connect(self._on_ended)

    def run(
        self, act: Callable[[Report], Any], done: Callable[[Any], None], failed: Callable[[str], None] | None = None
    ) -> None:
        """Call `act` beside the window, then `done` with its result or `failed` with a sentence in the window."""

        def work() -> None:
            try:
                result = act(self._report)
            except StoppedError:
                return
            except S3DError as error:
                self._tell(failed, None, str(error))
            except Exception as error:
                log.error("unexpected error in a task", exc_info=error)
                self._tell(failed, None, self.tr("Something went wrong: {error}").format(error=error))
            else:
                self._tell(done, result, "")

        threading.Thread(target=work, name="library", daemon=True).start()

    def close(self) -> None:
        """Tasks end at their next report, and say nothing any more."""
        self._closing.set()

    def _report(self, words: str, share: float) -> None:
        if self._closing.is_set():
            raise StoppedError
        self.progress.emit(words, share)

    def _tell(self, call: Callable | None, result: Any, sentence: str) -> None:
        if not self._closing.is_set():
            self._ended.emit(call, result, sentence)

    @Slot(object, object, str)
    def _on_ended(self, call: Callable | None, result: Any, sentence: str) -> None:
        if call is not None:
            call(sentence if sentence else result)
