"""A file that is on its way: what came of it so far, and its running digest."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from app.models.hub import RemoteFile
from s3d_core.errors import ModelError

_CHUNK = 1 << 20


class WrongContentError(ModelError):
    """All bytes came, and they are not what the hub lists."""


class PartialFile:
    """Open for appending; use it with `with`.

    Attributes:
        length: bytes written so far. They are in the system's hands, so they outlive this process, but only
            those before the last `sync` outlive a power cut.
    """

    def __init__(self, path: Path, file: RemoteFile, looked_at: Callable[[int], None]):
        """Open or create it.

        Args:
            looked_at: called with the number of bytes read, while what is there goes into the digest.
        """
        self._file = file
        path.parent.mkdir(parents=True, exist_ok=True)
        self._handle = path.open("r+b" if path.exists() else "x+b", buffering=0)
        self._begin()
        try:
            self._handle.truncate(min(file.bytes, self._handle.seek(0, os.SEEK_END)))
            self._handle.seek(0)
            while chunk := self._handle.read(_CHUNK):
                self._digest(chunk)
                looked_at(len(chunk))
        except BaseException:
            self._handle.close()
            raise

    def __enter__(self) -> "PartialFile":
        return self

    def __exit__(self, *error) -> None:
        self._handle.close()

    @property
    def missing(self) -> int:
        """Bytes that have still to come."""
        return self._file.bytes - self.length

    def write(self, chunk: bytes) -> None:
        """Append; what is too much is left out."""
        chunk = chunk[: self.missing]
        written = 0
        while written < len(chunk):
            count = self._handle.write(chunk[written:])
            self._digest(chunk[written : written + count])
            written += count

    def sync(self) -> None:
        """Have the disk keep what was written."""
        os.fsync(self._handle.fileno())

    def restart(self) -> None:
        """Throw away what is there."""
        self._handle.seek(0)
        self._handle.truncate()
        self._begin()

    def check(self) -> str:
        """The SHA-256 of the whole file, which is what the hub lists.

        Raises:
            WrongContentError: it is not.
        """
        right = (
            self._sha256.hexdigest() == self._file.sha256
            if self._file.sha256
            else self._sha1.hexdigest() == self._file.blob_id
        )
        if self.missing or not right:
            raise WrongContentError(f"{self._file.path} did not arrive as it is listed; try again later.")
        return self._sha256.hexdigest()

    def _begin(self) -> None:
        self.length = 0
        self._sha256 = hashlib.sha256()
        # Git names a file by this digest of its length and content.
        self._sha1 = hashlib.sha1(f"blob {self._file.bytes}\0".encode(), usedforsecurity=False)

    def _digest(self, chunk: bytes) -> None:
        self._sha256.update(chunk)
        if self._file.sha256 is None:
            self._sha1.update(chunk)
        self.length += len(chunk)
