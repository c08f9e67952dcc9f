"""The trainer's side: turns the recipe's progress into the status file, and hears of a wish to pause."""

import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from app.training import status as statuses
from app.training.status import PAUSE, State, Status

log = logging.getLogger(__name__)

_EVERY = 0.5
_SIZED_EVERY = 15.0


class PausedError(Exception):
    """Raised in a progress callback to leave the recipe at a place from which it can go on."""


class Reporter:
    """Keeps a training's status file.

    Args:
        folder: the training's.
        clock: seconds, for the time that is left.
    """

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic):
        self._folder, self._clock = folder, clock
        before = statuses.read(folder) or Status()
        self.status = replace(before, state=State.STARTING, sentence="", seconds_left=None)
        self.status = replace(self.status, process=statuses.this_process())
        self._began, self._from = clock(), 0
        self._written = self._sized = float("-inf")
        with contextlib.suppress(OSError):
            (folder / PAUSE).unlink(missing_ok=True)
        self._write()

    @property
    def pause_wanted(self) -> bool:
        """The user wants to pause."""
        return (self._folder / PAUSE).exists()

    def show(self, progress) -> bool:
        """Take a `recipe.Progress`; True when a pause is wanted, which ends a training after its step.

        Raises:
            PausedError: a pause is wanted, and what was done is on the disk.
        """
        now = self._clock()
        state = {"corpus": State.CORPUS, "training": State.TRAINING}.get(progress.phase, State.FINISHING)
        if state != self.status.state:
            self._began, self._from = now, progress.done
            self._written = float("-inf")
        made = progress.done - self._from
        left = (now - self._began) / made * (progress.total - progress.done) if made > 0 else None
        curve = self.status.curve
        if progress.tokens_per_round is not None:
            # A training that went on from an earlier checkpoint measures some steps again.
            curve = tuple(point for point in curve if point[0] < progress.done)
            curve = (*curve, (progress.done, round(progress.tokens_per_round, 4)))
        self.status = replace(
            self.status,
            state=state,
            done=progress.done,
            total=progress.total,
            seconds_left=left,
            loss=progress.loss,
            curve=curve,
        )
        if now - self._written > _EVERY or progress.tokens_per_round is not None:
            self._write()
        if self.pause_wanted and state != State.TRAINING:
            raise PausedError
        return self.pause_wanted

    def change(self, state: str, **values) -> None:
        """Another state, with further fields of the status."""
        self.status = replace(self.status, state=state, seconds_left=None, **values)
        self._sized = float("-inf")
        self._write()

    def _write(self) -> None:
        now = self._clock()
        if now - self._sized > _SIZED_EVERY:
            self._sized = now
            self.status = replace(self.status, disk_bytes=statuses.size_of(self._folder))
        self._written = now
        try:
            statuses.write(self._folder, self.status)
        except OSError as error:
            # A training must not end because nobody can be told of it.
            log.warning("the training's status cannot be written: %s", error)
