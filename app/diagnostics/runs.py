"""How runs of the program end. Each leaves a note at its start, takes it away at its end, and holds it locked between.

A note that is left and not locked is of a run that did not come to its end: Python's or the system's fault, a lack of
memory, a power cut. The lock is the system's, so that neither a clock that jumps nor a number of process that is used
again can mislead.
"""

import contextlib
import faulthandler
import json
import logging
import os
import sys
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from app import __version__
from app.diagnostics.private import private
from app.models.places import data_dir

log = logging.getLogger(__name__)

_KEPT = 20_000


@dataclass(frozen=True)
class Ended:
    """A run that did not end as it should.

    Attributes:
        started: when it was started, seconds since 1970.
        version: of the program.
        fault: what the interpreter wrote when the system ended it for a fault; empty where nothing could be written.
    """

    started: float
    version: str
    fault: str

    @property
    def sentence(self) -> str:
        """What to tell the user."""
        if self.fault:
            return "S3D Chat crashed the last time."
        return "S3D Chat was ended from outside the last time, perhaps for a lack of memory."


class Run:
    """This run of the program.

    Attributes:
        before: the newest run before it that did not end as it should, or None.
    """

    def __init__(self):
        self.before: Ended | None = None
        self._note: IO[str] | None = None

    def begin(self) -> None:
        """Look for runs that broke off, and leave a note of this one. Without a place to write it does nothing."""
        folder = data_dir() / "runs"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            ended = [_take(path) for path in sorted(folder.glob("*.run"))]
            self.before = max((run for run in ended if run), key=lambda run: run.started, default=None)
            # The number of the process alone could be that of a run whose note another process is looking at.
            path = folder / f"{os.getpid()}-{time.time_ns()}.run"
            self._note = open(path, "w+", encoding="utf-8", opener=_for_its_owner)  # noqa: SIM115
            _lock(self._note)
            print(json.dumps({"started": time.time(), "version": __version__}), file=self._note, flush=True)
            # Native faults are written behind that line, by a handler that cannot open files any more.
            faulthandler.enable(self._note, all_threads=True)
        except OSError as error:
            log.warning("no note of this run can be left: %s", error)

    def crash(self, error: BaseException) -> None:
        """This run ends by an error of Python's: write it into the note, for the next run to find."""
        if self._note is not None:
            with contextlib.suppress(OSError):
                self._note.write(private.scrub("".join(traceback.format_exception(error))))
                self._note.flush()

    def end(self) -> None:
        """This run came to its end."""
        note, self._note = self._note, None
        if note is None:
            return
        faulthandler.disable()
        path = Path(note.name)
        # Closing fails where a full disk took nothing of what was written. Windows removes no file that is open.
        for step in (note.close, path.unlink):
            with contextlib.suppress(OSError):
                step()


def _for_its_owner(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _take(path: Path) -> Ended | None:
    """What a note says, which is then gone; None where its run goes on."""
    try:
        with path.open("r+", encoding="utf-8", errors="replace") as note:
            if not _lock(note):
                return None
            first, _, fault = note.read(_KEPT).partition("\n")
        path.unlink()
        said = json.loads(first)
        ended = Ended(float(said["started"]), str(said["version"]), fault.strip())
    except (OSError, ValueError, KeyError, TypeError):
        # Ended in the moment it began, or another process was faster.
        with contextlib.suppress(OSError):
            path.unlink()
        return None
    log.error("a run of version %s did not come to its end. %s", ended.version, ended.fault)
    return ended


def _lock(file: IO[str]) -> bool:
    """Lock a file for as long as it is open, or say that another process has."""
    try:
        if sys.platform == "win32":
            import msvcrt

            # A byte far behind the text: on Windows, what is locked cannot be read.
            file.seek(1 << 30)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
            file.seek(0)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
