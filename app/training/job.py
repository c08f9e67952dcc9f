"""A training as the window sees it: a process of its own, which outlives the window, steered by files."""

import contextlib
import json
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from app.models import places
from app.training import status as statuses
from app.training.measure import Estimate, read_estimate
from app.training.status import PAUSE, STATUS, State, Status
from s3d_core.errors import TrainingError

log = logging.getLogger(__name__)

_ORDER, _LOG = "job.json", "log.txt"
# What a trained adapter consists of; all else in the folder is the training's own.
_ADAPTER = ("adapter.safetensors", "adapter.json")


@dataclass(frozen=True)
class Effort:
    """How much is trained: `corpus_tokens` to write, `steps` to train, and steps between measurements."""

    name: str
    corpus_tokens: int
    steps: int
    measure_every: int


EFFORTS = (
    Effort("Quick", 50_000, 500, 50),
    Effort("Usual", 200_000, 2000, 200),
    Effort("Thorough", 320_000, 5600, 400),
)


@dataclass(frozen=True)
class Order:
    """What was asked for, kept beside the training so that it can go on after everything has ended."""

    model: str
    corpus_tokens: int
    steps: int
    measure_every: int
    prompts: str | None = None

    def arguments(self, folder: Path) -> list[str]:
        """The options of `s3d train`."""
        given = ["--model", self.model, "--out", str(folder), "--measure-speed"]
        given += ["--corpus-tokens", str(self.corpus_tokens), "--steps", str(self.steps)]
        given += ["--measure-every", str(self.measure_every)]
        return given + (["--prompts", self.prompts] if self.prompts else [])


def program() -> list[str]:
    """The command that runs `s3d`, in a checkout and in a bundle."""
    return [sys.executable] if getattr(sys, "frozen", False) else [sys.executable, "-m", "app.cli"]


_children: list[subprocess.Popen] = []


class TrainingJob:
    """The training of one model's drafts. `folder` holds everything and may be one that a run before has left."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._process: subprocess.Popen | None = None
        self._measuring: subprocess.Popen | None = None

    @classmethod
    def of_model(cls, name: str) -> "TrainingJob":
        """The training of an installed model's drafts, where `s3d train` puts it too."""
        return cls(places.adapters_dir() / name)

    # -- what there is -------------------------------------------------------------------------------------------

    @property
    def order(self) -> Order | None:
        """What was asked for, or None."""
        try:
            return Order(**json.loads((self.folder / _ORDER).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    @property
    def status(self) -> Status | None:
        """How it stands, or None where none was started here."""
        if self._process is not None:
            self._process.poll()  # else a process that ended would look alive
        return statuses.read(self.folder)

    @property
    def estimate(self) -> Estimate | None:
        """What a training would take here, once it was measured."""
        return read_estimate(self.folder)

    @property
    def is_measuring(self) -> bool:
        """The measurement for the estimate is being made."""
        return self._measuring is not None and self._measuring.poll() is None

    @property
    def measuring_failed(self) -> bool:
        """The measurement for the estimate ended without one."""
        return self._measuring is not None and self._measuring.poll() not in (None, 0)

    @property
    def last_line(self) -> str:
        """The last line that the process said."""
        try:
            lines = (self.folder / _LOG).read_text(encoding="utf-8", errors="replace").strip().splitlines()
        except OSError:
            return ""
        return lines[-1].strip() if lines else ""

    # -- what can be done ----------------------------------------------------------------------------------------

    def measure(self, model: Path) -> None:
        """Begin the short measurement behind `estimate`; does nothing while one is made.

        Raises:
            TrainingError: the process cannot be started.
        """
        if not self.is_measuring:
            self._measuring = self._run(["train", "--model", str(model), "--out", str(self.folder), "--estimate"])

    def start(self, order: Order) -> None:
        """Begin a training, or go on with what is there.

        Raises:
            TrainingError: one runs already, the disk is too full, or the process cannot be started.
        """
        held = self.status
        if held is not None and held.is_running:
            raise TrainingError("Drafts for this model are being trained already.")
        self.stop_measuring()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._check_disk(order)
            (self.folder / PAUSE).unlink(missing_ok=True)
            staged = self.folder / (_ORDER + ".part")
            staged.write_text(json.dumps(asdict(order)), encoding="utf-8")
            staged.replace(self.folder / _ORDER)
            if held is not None and held.state == State.DONE:
                held = Status(before=held.before, before_strategy=held.before_strategy)
            self._process = self._run(["train", *order.arguments(self.folder)])
            first = replace(held or Status(), state=State.STARTING, sentence="", seconds_left=None, after=None)
            # The process writes the next one, which takes it some seconds.
            statuses.write(self.folder, replace(first, process=statuses.this_process(self._process.pid)))
        except OSError as error:
            raise TrainingError(f"Nothing can be written to {self.folder}: {error.strerror or error}.") from error

    def _check_disk(self, order: Order) -> None:
        if (estimate := self.estimate) is None:
            return
        needed = estimate.disk(order.corpus_tokens) - statuses.size_of(self.folder)
        free = shutil.disk_usage(self.folder).free
        if free < needed:
            raise TrainingError(
                f"Training needs {needed / 1e9:.1f} GB more on the disk, where {free / 1e9:.1f} GB are free; "
                "free some and start again."
            )

    def resume(self) -> None:
        """Go on with a training that was paused or interrupted.

        Raises:
            TrainingError: there is none, or it cannot be started.
        """
        order = self.order
        if order is None:
            raise TrainingError(f"There is no training to go on with in {self.folder}; start one.")
        self.start(order)

    def pause(self) -> None:
        """Have the process keep a checkpoint after the step at work, and end, which gives its memory back."""
        with contextlib.suppress(OSError):
            (self.folder / PAUSE).touch()

    def cancel(self, patience: float = 5.0) -> None:
        """End the process now and delete what the training made; a finished adapter stays.

        Raises:
            TrainingError: something cannot be deleted.
        """
        self.stop_measuring()
        status = self.status
        if status is not None and status.is_running:
            _end(status.process, patience)
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(patience)
        try:
            for path in sorted(self.folder.rglob("*"), reverse=True):
                if path.is_dir():
                    path.rmdir()
                elif path.name not in _ADAPTER:
                    path.unlink(missing_ok=True)
            if not any(self.folder.iterdir()):
                self.folder.rmdir()
        except FileNotFoundError:
            return
        except OSError as error:
            raise TrainingError(f"{self.folder} cannot be deleted: {error.strerror or error}.") from error

    def stop_measuring(self) -> None:
        """End the measurement for the estimate, if one is made."""
        if self.is_measuring and self._measuring is not None:
            self._measuring.kill()
            self._measuring.wait()
        self._measuring = None

    def _run(self, arguments: Sequence[str]) -> subprocess.Popen:
        """Start `s3d` so that it goes on when the window's process ends."""
        flags = 0
        if sys.platform == "win32":
            flags = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW
        environment = {**os.environ, "PYTHONUTF8": "1"}
        here = None if getattr(sys, "frozen", False) else Path(__file__).resolve().parents[2]
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with (self.folder / _LOG).open("wb") as said:
                process = subprocess.Popen(
                    [*program(), *arguments],
                    stdin=subprocess.DEVNULL,
                    stdout=said,
                    stderr=subprocess.STDOUT,
                    cwd=here,
                    env=environment,
                    creationflags=flags,
                    start_new_session=sys.platform != "win32",
                )
        except OSError as error:
            raise TrainingError(f"The training cannot be started: {error.strerror or error}.") from error
        # Held until it has ended, else it would be a zombie when its job is forgotten.
        _children[:] = [child for child in _children if child.poll() is None]
        _children.append(process)
        return process


def jobs() -> list[TrainingJob]:
    """Every training of this user that has a status, whatever has become of it."""
    return [TrainingJob(path.parent) for path in sorted(places.adapters_dir().glob(f"*/{STATUS}"))]


def _end(process: tuple[int, float], patience: float) -> None:
    import psutil

    with contextlib.suppress(psutil.Error):
        held = psutil.Process(process[0])
        if abs(held.create_time() - process[1]) < 1:
            held.terminate()
            try:
                held.wait(patience)
            except psutil.TimeoutExpired:
                held.kill()
                held.wait(patience)
