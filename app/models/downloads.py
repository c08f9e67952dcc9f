"""The queue of downloads: one runs, the others wait; each can be paused, gone on with and cancelled.

Knows nothing of windows: whoever shows it asks for `items` now and then.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from app.models import journal
from app.models.download import Download, Progress
from app.models.halt import HaltedError
from app.models.hub_errors import TokenNeededError
from app.models.transfer import Patience
from app.models.wanted import Wanted
from s3d_core.errors import ModelError

log = logging.getLogger(__name__)


class State(Enum):
    """Where a download stands."""

    WAITING = "waiting"
    RUNNING = "running"
    PAUSED = "paused"
    FAILED = "failed"
    CANCELLING = "cancelling"


@dataclass(frozen=True)
class Item:
    """A download as it is now.

    Attributes:
        problem: the sentence that ended the last try, or "".
        needs_token: the repo is gated or private, and a token would help.
    """

    wanted: Wanted
    state: State
    progress: Progress
    problem: str = ""
    needs_token: bool = False


class _Entry:
    def __init__(self, wanted: Wanted, state: State):
        self.wanted, self.state = wanted, state
        self.progress = Progress("Waiting")
        self.problem = ""
        self.needs_token = False
        self.running: Download | None = None


class Downloads:
    """The queue. Its thread starts with the first download and ends when there is nothing left to do.

    Args:
        done: called in that thread with what was wanted and the model's folder, when it is installed.
    """

    def __init__(self, done: Callable[[Wanted, Path], None], patience: Patience | None = None):
        self._done = done
        self._patience = patience
        self._lock = threading.Lock()
        self._entries: dict[Wanted, _Entry] = {}
        self._thread: threading.Thread | None = None
        self._closing = False
        for left in journal.unfinished():
            entry = _Entry(left.wanted, State.FAILED if left.problem else State.PAUSED)
            entry.progress = Progress("Paused", left.here(), left.total)
            entry.problem = left.problem
            self._entries[left.wanted] = entry

    def items(self) -> list[Item]:
        """All downloads that are not done, in their order."""
        with self._lock:
            return [Item(e.wanted, e.state, e.progress, e.problem, e.needs_token) for e in self._entries.values()]

    def add(self, wanted: Wanted) -> None:
        """Fetch this, or go on with it."""
        with self._lock:
            entry = self._entries.setdefault(wanted, _Entry(wanted, State.PAUSED))
            if entry.state in (State.PAUSED, State.FAILED):
                entry.state, entry.problem, entry.needs_token = State.WAITING, "", False
        self._wake()

    def pause(self, wanted: Wanted) -> None:
        """Halt it; what came is kept."""
        self._stop(wanted, State.PAUSED)

    def cancel(self, wanted: Wanted) -> None:
        """Halt it and delete what came."""
        self._stop(wanted, State.CANCELLING)
        self._wake()

    def close(self) -> None:
        """Halt everything; what came is kept, and a later run of the program goes on with it."""
        with self._lock:
            self._closing = True
            for entry in self._entries.values():
                if entry.running is not None:
                    entry.running.halt.set()

    def _stop(self, wanted: Wanted, state: State) -> None:
        with self._lock:
            entry = self._entries.get(wanted)
            if entry is None or entry.state is State.CANCELLING:
                return
            entry.state = state
            if entry.running is not None:
                entry.running.halt.set()

    def _wake(self) -> None:
        with self._lock:
            if self._thread is None and not self._closing:
                # A daemon: a name that is being looked up cannot be halted, and must not keep the program alive.
                self._thread = threading.Thread(target=self._work, name="downloads", daemon=True)
                self._thread.start()

    # -- the thread ----------------------------------------------------------------------------------------------

    def _work(self) -> None:
        while (entry := self._next()) is not None:
            if entry.state is State.CANCELLING:
                self._discard(entry)
            else:
                self._run(entry)

    def _next(self) -> _Entry | None:
        with self._lock:
            for state in (State.CANCELLING, State.WAITING):
                for entry in self._entries.values():
                    if entry.state is state and not self._closing:
                        if state is State.WAITING:
                            entry.state = State.RUNNING
                            entry.running = Download(entry.wanted, self._patience)
                        return entry
            self._thread = None
            return None

    def _run(self, entry: _Entry) -> None:
        download = entry.running
        assert download is not None

        def report(progress: Progress) -> None:
            entry.progress = progress

        folder, state, problem, needs_token = None, State.PAUSED, "", False
        try:
            folder = download.run(report)
        except HaltedError:
            pass
        except ModelError as error:
            state, problem, needs_token = State.FAILED, str(error), isinstance(error, TokenNeededError)
        except Exception as error:  # a fault of ours must not end the queue
            log.error("unexpected error in a download", exc_info=error)
            state, problem = State.FAILED, f"Something went wrong: {error}"
        with self._lock:
            entry.running = None
            if folder is not None:
                del self._entries[entry.wanted]
            elif entry.state is State.RUNNING:
                entry.state, entry.problem, entry.needs_token = state, problem, needs_token
        if folder is not None:
            self._done(entry.wanted, folder)

    def _discard(self, entry: _Entry) -> None:
        problem = ""
        try:
            Download(entry.wanted).discard()
        except ModelError as error:
            problem = str(error)
        with self._lock:
            if problem:
                entry.state, entry.problem = State.FAILED, problem
            else:
                del self._entries[entry.wanted]
