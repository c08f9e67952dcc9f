"""A connection to the file of chats: private, checked, of the newest version, and never in the way of the window."""

import contextlib
import os
import sqlite3
import threading
from datetime import datetime
from pathlib import Path

from app.chats.errors import StoreCorruptError, StoreUnreachableError, known
from app.chats.schema import migrate

# How long a write waits for another program; the window stands still for so long.
_PATIENCE_MS = 250
_CHECKPOINT_EVERY = 2.0


def connect(path: Path | None) -> sqlite3.Connection:
    """Open the file, made when it is missing, readable by its owner alone; None opens one in memory.

    Raises:
        StoreError: it cannot be opened, is damaged, or is of a newer version.
    """
    if path is not None:
        _make_private(path)
    with known(path or "memory"):
        connection = sqlite3.connect(path or ":memory:", isolation_level=None, timeout=_PATIENCE_MS / 1000)
        try:
            _prepare(connection, path)
        except BaseException:
            connection.close()
            raise
    return connection


def set_aside(path: Path) -> Path:
    """Rename a damaged file and what belongs to it; returns its new name.

    Raises:
        StoreUnreachableError: it cannot be renamed.
    """
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S-%f")
    aside = path.with_name(f"{path.stem}-damaged-{stamp}{path.suffix}")
    try:
        for ending in ("", "-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                Path(f"{path}{ending}").rename(f"{aside}{ending}")
    except OSError as error:
        raise StoreUnreachableError(
            f"The chats in {path} are damaged and cannot be set aside: move the file away and start again."
        ) from error
    return aside


def _make_private(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        path.chmod(0o600)
    except PermissionError:
        return  # SQLite finds out what is not allowed, and says so
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise StoreUnreachableError(f"The chats in {path} cannot be opened: {reason}.") from error


def _prepare(connection: sqlite3.Connection, path: Path | None) -> None:
    connection.row_factory = sqlite3.Row
    # A crash of the program loses nothing that was committed; the checkpointer brings it onto the disk.
    for setting in ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON", "wal_autocheckpoint = 0"):
        connection.execute(f"PRAGMA {setting}")
    if connection.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
        raise StoreCorruptError(f"The chats in {path} are damaged.")
    migrate(connection, path)


class Checkpointer:
    """Moves what was committed from the log into the file, in a thread of its own: only that waits for the disk."""

    def __init__(self, path: Path):
        self._path = path
        self._changed = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="checkpoints", daemon=True)
        self._thread.start()

    def note_change(self) -> None:
        """There is something in the log."""
        self._changed.set()

    def close(self) -> None:
        """End the thread."""
        self._closing.set()
        self._changed.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            self._changed.wait()
            if self._closing.wait(_CHECKPOINT_EVERY):
                return
            self._changed.clear()
            # A checkpoint that fails is made up for by the next one; writers meet the same trouble and say it.
            with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(self._path)) as connection:
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
