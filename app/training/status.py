"""What a training says of itself, in a file that is replaced whole: read by the window, written by the trainer."""

import contextlib
import json
import os
import time
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import psutil

STATUS, PAUSE = "status.json", "pause-requested"


class State:
    """What a training is doing, as the text in the file."""

    STARTING = "starting"
    BEFORE = "measuring before"
    CORPUS = "corpus"
    TRAINING = "training"
    FINISHING = "finishing"
    AFTER = "measuring after"
    PAUSED = "paused"
    INTERRUPTED = "interrupted"
    FAILED = "failed"
    DONE = "done"

    RUNNING = (STARTING, BEFORE, CORPUS, TRAINING, FINISHING, AFTER)
    RESUMABLE = (PAUSED, INTERRUPTED, FAILED)


@dataclass(frozen=True)
class Status:
    """One look at a training.

    Attributes:
        state: one of `State`.
        done, total: reply tokens written or steps trained, by the state.
        seconds_left: until the state's end, or None while it is not known.
        loss: of the last step.
        curve: (step, tokens per round on held-out chats), in order.
        disk_bytes: what the training's folder holds.
        before, after: speed over plain decoding, measured in the first and the last minute.
        before_strategy: what drafted before.
        sentence: why it failed.
        process: number and start time of the process that writes this.
        written: when, in seconds since 1970.
    """

    state: str = State.STARTING
    done: int = 0
    total: int = 0
    seconds_left: float | None = None
    loss: float | None = None
    curve: tuple[tuple[int, float], ...] = ()
    disk_bytes: int = 0
    before: float | None = None
    after: float | None = None
    before_strategy: str = ""
    sentence: str = ""
    process: tuple[int, float] = (0, 0.0)
    written: float = 0.0

    @property
    def is_running(self) -> bool:
        """A process is at it."""
        return self.state in State.RUNNING

    @property
    def can_resume(self) -> bool:
        """It can go on from what is on the disk."""
        return self.state in State.RESUMABLE


def write(folder: Path, status: Status) -> None:
    """Put a status in the place of the one before; whoever reads sees either.

    Raises:
        OSError: the disk does not take it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    staged = folder / f"{STATUS}.{os.getpid()}.part"
    staged.write_text(json.dumps(asdict(replace(status, written=time.time()))), encoding="utf-8")
    staged.replace(folder / STATUS)


def read(folder: Path) -> Status | None:
    """The last status, or None where there is none; one whose process has gone is interrupted."""
    try:
        held = json.loads((folder / STATUS).read_text(encoding="utf-8"))
        known = {field.name for field in fields(Status)}
        status = Status(**{name: value for name, value in held.items() if name in known})
        curve = tuple((int(step), float(value)) for step, value in status.curve)
        number, since = status.process
        status = replace(status, curve=curve, process=(int(number), float(since)))
    except (OSError, ValueError, TypeError, AttributeError):
        return None
    if status.is_running and not _is_alive(status.process):
        return replace(status, state=State.INTERRUPTED, seconds_left=None)
    return status


def this_process(number: int | None = None) -> tuple[int, float]:
    """A process's number and start time, which together name it once and for all."""
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(number)
        return process.pid, process.create_time()
    return 0, 0.0


def _is_alive(process: tuple[int, float]) -> bool:
    number, since = process
    try:
        held = psutil.Process(number)
        return abs(held.create_time() - since) < 1 and held.status() != psutil.STATUS_ZOMBIE
    except (psutil.Error, ValueError):
        return False


def size_of(folder: Path) -> int:
    """Bytes of the files in a folder."""
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            total += path.stat().st_size if path.is_file() else 0
    return total
