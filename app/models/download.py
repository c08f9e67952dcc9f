"""One model's way from the hub into the models folder.

    ask the hub -> pin commit and files -> check the disk -> fetch and verify file by file -> move into place

Each step leaves on the disk what the next run needs to go on from there. A model appears among the installed ones by
one rename, when every file is verified.
"""

import errno
import shutil
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from filelock import FileLock, Timeout

from app.models import catalogue, hub, installing, journal, manifest, selection
from app.models.halt import Halt, HaltedError
from app.models.hub import RemoteFile
from app.models.journal import Journal, local_name
from app.models.manifest import ModelFile
from app.models.partial import PartialFile, WrongContentError
from app.models.places import models_dir
from app.models.rate import Rate
from app.models.transfer import Patience, persist, stream
from app.models.wanted import Wanted
from s3d_core.errors import ModelError
from s3d_core.families import ARCHITECTURES, check_gguf_family
from s3d_core.trust import check_config

# What stays free on the disk for everything else.
RESERVE_BYTES = 64_000_000
_SYNC_BYTES = 16_000_000
_SYNC_SECONDS = 5.0
_TELL_SECONDS = 0.1
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True)
class Progress:
    """How far a download is.

    Attributes:
        phase: what is done now, as words for the user.
        done, total: bytes here, bytes in all; total is 0 before the hub was asked.
        per_second: bytes a second that come over the network.
        seconds_left: None while that cannot be told.
        trouble: why it waits to try again, or "".
    """

    phase: str
    done: int = 0
    total: int = 0
    per_second: float = 0.0
    seconds_left: float | None = None
    trouble: str = ""

    @property
    def share(self) -> float:
        """0 to 1."""
        return self.done / self.total if self.total else 0.0


Report = Callable[[Progress], None]


class Download:
    """Fetches what is wanted, or goes on with it. Use `run` in one thread; `halt.set()` in any other pauses it."""

    def __init__(self, wanted: Wanted, patience: Patience | None = None):
        self.wanted = wanted
        self.halt = Halt()
        self._patience = patience or Patience()
        self._journal = Journal(wanted)
        self._rate = Rate()
        self._progress = Progress("Asking the hub")
        self._report: Report = lambda progress: None
        self._told = 0.0
        self._synced = (0.0, 0)

    def run(self, report: Report | None = None) -> Path:
        """Fetch all that is missing.

        Returns:
            The model's folder.

        Raises:
            ModelError: why it ended, and what to do; what came is kept.
            HaltedError: it was halted; what came is kept.
        """
        self._report = report or self._report
        with self._alone(), _disk_errors(), self._remembering():
            if here := installing.installed_copy(self.wanted):
                return here
            self._journal = journal.read(self._journal.folder) or self._journal
            self._journal.problem = ""
            if self._journal.listing is None:
                self._pin()
            self._journal.settle()
            self._tell("Fetching", done=self._journal.here(), total=self._journal.total)
            self._check_disk()
            for file in self._files:
                self._get(file)
                if local_name(file) == "config.json":
                    self._check_config()
            self._tell("Moving into place")
            return installing.install(self._journal)

    def discard(self) -> None:
        """Delete what came. Not while `run` runs.

        Raises:
            ModelError: it cannot be deleted now.
        """
        with _disk_errors(), self._alone():
            shutil.rmtree(self._journal.folder, ignore_errors=True)

    # -- steps ---------------------------------------------------------------------------------------------------

    @property
    def _files(self) -> tuple[RemoteFile, ...]:
        assert self._journal.listing is not None
        return self._journal.listing.files

    def _pin(self) -> None:
        self._tell("Asking the hub")
        found: list[hub.Listing] = []
        persist(
            lambda: found.append(hub.look_up(self.wanted)), lambda: 0, self.halt, self._patience, self._tell_trouble
        )
        catalogue.check(found[0])
        listing = replace(found[0], files=selection.choose(found[0], self.wanted))
        if listing.gguf_architecture and local_name(listing.files[0]).lower().endswith(".gguf"):
            check_gguf_family(listing.gguf_architecture, self.wanted.name)
        self._journal.listing = listing
        self._journal.files.mkdir(parents=True, exist_ok=True)

    def _check_disk(self) -> None:
        needed = self._journal.total - self._journal.here() + RESERVE_BYTES
        free = shutil.disk_usage(models_dir()).free
        if needed > free:
            raise ModelError(
                f"{self.wanted.name} needs {needed / 1e9:,.2f} GB more on the disk of {models_dir()}, where "
                f"{free / 1e9:,.2f} GB are free: free some space, or set S3D_HOME to a folder on another disk."
            )

    def _get(self, file: RemoteFile) -> None:
        path = self._journal.files / local_name(file)
        known = self._journal.verified.get(file.path)
        if known is not None and path.is_file() and manifest.is_as_checked(path, known):
            return
        self._journal.verified.pop(file.path, None)
        self._borrow(file)
        self._tell(f"Fetching {local_name(file)}")
        with PartialFile(self._journal.part(file), file, lambda count: self.halt.check()) as part:
            digest = self._fill(file, part)
            part.sync()
        self._journal.part(file).replace(path)
        self._journal.verified[file.path] = ModelFile(local_name(file), file.bytes, digest, path.stat().st_mtime_ns)
        self._journal.write()

    def _fill(self, file: RemoteFile, part: PartialFile) -> str:
        """Fetch what is missing; returns the digest. Content that is wrong as a whole is fetched once more."""
        assert self._journal.listing is not None
        listing = self._journal.listing
        self._synced = (time.monotonic(), part.length)
        for last_try in (False, True):
            if part.missing:
                persist(
                    lambda: stream(
                        listing,
                        file,
                        part,
                        lambda count: self._came(count, file, part),
                        self.halt,
                        self._patience.silence,
                    ),
                    lambda: part.length,
                    self.halt,
                    self._patience,
                    self._tell_trouble,
                )
            try:
                return part.check()
            except WrongContentError:
                self._tell(done=self._progress.done - part.length)
                part.restart()
                if last_try:
                    raise
        raise AssertionError("unreachable")

    def _borrow(self, file: RemoteFile) -> None:
        """Begin with a copy of the file where this computer has it already; it is verified like any other."""
        assert self._journal.listing is not None
        part = self._journal.part(file)
        if self._journal.kept(file):
            return
        for source in (
            models_dir() / self.wanted.name / local_name(file),
            hub.cached(self._journal.listing, file.path),
        ):
            if source is not None and source.is_file() and source.stat().st_size == file.bytes:
                self._tell(f"Copying {local_name(file)} from {source.parent}")
                installing.copy(source, part, self._copied)
                return

    def _check_config(self) -> None:
        try:
            check_config(self._journal.files, ARCHITECTURES, self.wanted.name)
        except ModelError:
            shutil.rmtree(self._journal.folder, ignore_errors=True)
            raise

    # -- inside --------------------------------------------------------------------------------------------------

    def _came(self, count: int, file: RemoteFile, part: PartialFile) -> None:
        self._rate.add(count)
        self._tell(done=self._progress.done + count)
        when, length = self._synced
        now = time.monotonic()
        if part.length - length >= _SYNC_BYTES or now - when >= _SYNC_SECONDS:
            part.sync()
            self._synced = (now, part.length)
            self._journal.synced[file.path] = part.length
            self._journal.write()

    def _copied(self, count: int) -> None:
        self.halt.check()
        self._tell(done=self._progress.done + count)

    def _tell(self, phase: str | None = None, **changes) -> None:
        now = time.monotonic()
        self._progress = replace(self._progress, **changes)
        if phase is not None:
            self._progress = replace(self._progress, phase=phase)
        if phase is not None or "trouble" in changes or now - self._told >= _TELL_SECONDS:
            self._told = now
            left = self._rate.seconds_for(self._progress.total - self._progress.done)
            self._progress = replace(self._progress, per_second=self._rate.per_second, seconds_left=left)
            self._report(self._progress)

    def _tell_trouble(self, sentence: str) -> None:
        self._tell(trouble=sentence)

    @contextmanager
    def _alone(self):
        """One program at a time works on a download; a killed one lets go by itself."""
        journal.downloads_dir().mkdir(parents=True, exist_ok=True)
        lock = FileLock(journal.downloads_dir() / (self._journal.folder.name + ".lock"))
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise ModelError(f"{self.wanted} is being fetched by another S3D Chat; wait until that is done.") from None
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def _remembering(self):
        """Keep with the download why it ended, so that a later start of the program can say it."""
        try:
            yield
        except ModelError as error:
            self._journal.problem = str(error)
            raise
        finally:
            if self._journal.folder.exists() and self._journal.listing is not None:
                self._keep_journal()

    def _keep_journal(self) -> None:
        try:
            self._journal.write()
        except OSError:
            return  # on a full disk the last one stays, which is right too


@contextmanager
def _disk_errors():
    """Errors of the disk come out as one sentence."""
    try:
        yield
    except (HaltedError, ModelError):
        raise
    except OSError as error:
        if error.errno in _FULL:
            raise ModelError(
                f"The disk of {models_dir()} is full. What has come is kept: free some space, then resume."
            ) from error
        raise ModelError(
            f"{models_dir()} cannot be written: {error.strerror or error}. "
            "What has come is kept: mend that, then resume."
        ) from error
