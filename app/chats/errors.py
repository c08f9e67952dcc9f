"""What can happen to the file of chats, told apart: what a user can act on, and bugs, which stay `sqlite3.Error`."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from s3d_core.errors import S3DError


class StoreError(S3DError):
    """Chats cannot be read or written, for a reason that lies outside of the program."""


class StoreFullError(StoreError):
    """There is no room left."""


class StoreLockedError(StoreError):
    """Another program holds the file."""


class StoreReadOnlyError(StoreError):
    """The file or its folder must not be written to."""


class StoreUnreachableError(StoreError):
    """The file cannot be opened, or the disk fails."""


class StoreCorruptError(StoreError):
    """The file is damaged, or no database at all."""


class StoreNewerError(StoreError):
    """A newer version of the program wrote the file."""


class ImportRefusedError(StoreError):
    """A file of exported chats is not one, or is damaged."""


_KNOWN: dict[int, tuple[type[StoreError], str]] = {
    sqlite3.SQLITE_FULL: (
        StoreFullError,
        "The disk is full, so the chats in {path} cannot be saved: make room on it; it is tried again.",
    ),
    sqlite3.SQLITE_BUSY: (
        StoreLockedError,
        "Another program is using the chats in {path}: close it and try again.",
    ),
    sqlite3.SQLITE_LOCKED: (
        StoreLockedError,
        "Another program is using the chats in {path}: close it and try again.",
    ),
    sqlite3.SQLITE_READONLY: (
        StoreReadOnlyError,
        "The chats in {path} cannot be saved, because the file is read-only: allow writing to it and its folder.",
    ),
    sqlite3.SQLITE_PERM: (
        StoreReadOnlyError,
        "The chats in {path} may not be opened: allow reading and writing the file and its folder.",
    ),
    sqlite3.SQLITE_CANTOPEN: (
        StoreUnreachableError,
        "The chats in {path} cannot be opened: check that its folder is there and may be written to.",
    ),
    sqlite3.SQLITE_IOERR: (
        StoreUnreachableError,
        "The disk with the chats in {path} cannot be read or written: check it, and that it is not full.",
    ),
    sqlite3.SQLITE_CORRUPT: (
        StoreCorruptError,
        "The chats in {path} are damaged: start the program again; it sets the file aside and begins a new one.",
    ),
    sqlite3.SQLITE_NOTADB: (
        StoreCorruptError,
        "The chats in {path} are damaged: start the program again; it sets the file aside and begins a new one.",
    ),
}


@contextmanager
def known(path: Path | str) -> Iterator[None]:
    """Turn SQLite's errors about `path` into a `StoreError` with a sentence; bugs pass as they are."""
    try:
        yield
    except sqlite3.Error as error:
        # The low byte is the kind, what is above it says more.
        kind, sentence = _KNOWN.get((getattr(error, "sqlite_errorcode", None) or 0) & 0xFF, (None, ""))
        if kind is None:
            raise
        raise kind(sentence.format(path=path)) from error
