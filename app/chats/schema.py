"""The tables of the file of chats, and how an older file is brought up to them."""

import contextlib
import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from app.chats.errors import StoreNewerError

# Letters in threes find any part of a word, in scripts without spaces too. A reply goes into the index when it is
# whole: a reply being written is written again every second, and indexing it each time would cost most of that.
_FIRST = """
CREATE TABLE chats (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    title TEXT NOT NULL DEFAULT '',
    pinned INTEGER NOT NULL DEFAULT 0,
    created REAL NOT NULL,
    updated REAL NOT NULL,
    opened REAL NOT NULL DEFAULT 0,
    deleted_at REAL,
    leaf INTEGER,
    draft TEXT NOT NULL DEFAULT '',
    settings TEXT NOT NULL DEFAULT '{}'
);
CREATE TABLE messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    chat INTEGER NOT NULL REFERENCES chats(id),
    parent INTEGER REFERENCES messages(id),
    role TEXT NOT NULL CHECK (role IN ('user', 'assistant')),
    text TEXT NOT NULL DEFAULT '',
    origins TEXT NOT NULL DEFAULT '[]',
    stop_reason TEXT,
    figures TEXT NOT NULL DEFAULT '{}',
    created REAL NOT NULL
);
CREATE INDEX messages_of_chat ON messages(chat);
CREATE INDEX messages_of_parent ON messages(parent);

CREATE VIRTUAL TABLE titles_found USING fts5(title, content='chats', content_rowid='id', tokenize='trigram');
CREATE TRIGGER title_added AFTER INSERT ON chats BEGIN
    INSERT INTO titles_found(rowid, title) VALUES (new.id, new.title);
END;
CREATE TRIGGER title_changed AFTER UPDATE OF title ON chats BEGIN
    INSERT INTO titles_found(titles_found, rowid, title) VALUES ('delete', old.id, old.title);
    INSERT INTO titles_found(rowid, title) VALUES (new.id, new.title);
END;
CREATE TRIGGER title_gone AFTER DELETE ON chats BEGIN
    INSERT INTO titles_found(titles_found, rowid, title) VALUES ('delete', old.id, old.title);
END;

CREATE VIEW whole_messages AS SELECT id, text FROM messages WHERE stop_reason IS NOT NULL;
CREATE VIRTUAL TABLE messages_found USING fts5(text, content='whole_messages', content_rowid='id', tokenize='trigram');
CREATE TRIGGER message_added AFTER INSERT ON messages WHEN new.stop_reason IS NOT NULL BEGIN
    INSERT INTO messages_found(rowid, text) VALUES (new.id, new.text);
END;
CREATE TRIGGER message_changed AFTER UPDATE OF text, stop_reason ON messages BEGIN
    INSERT INTO messages_found(messages_found, rowid, text)
        SELECT 'delete', old.id, old.text WHERE old.stop_reason IS NOT NULL;
    INSERT INTO messages_found(rowid, text) SELECT new.id, new.text WHERE new.stop_reason IS NOT NULL;
END;
CREATE TRIGGER message_gone AFTER DELETE ON messages WHEN old.stop_reason IS NOT NULL BEGIN
    INSERT INTO messages_found(messages_found, rowid, text) VALUES ('delete', old.id, old.text);
END;
"""

# Number n brings a file of version n to version n + 1; what has been released is never edited.
MIGRATIONS: tuple[str, ...] = (_FIRST,)


def migrate(connection: sqlite3.Connection, path: Path | None, migrations: Sequence[str] = MIGRATIONS) -> Path | None:
    """Bring a file up to the newest version, in one transaction.

    Args:
        path: where the file lies, or None for one in memory.

    Returns:
        The copy that was made first, or None where nothing had to be done or nothing could be lost.

    Raises:
        StoreNewerError: a newer program wrote the file. sqlite3.Error: it cannot be done; the file is as it was.
    """
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > len(migrations):
        raise StoreNewerError(
            f"The chats in {path} were written by a newer version of S3D Chat: install that version, or move the file."
        )
    if version == len(migrations):
        return None
    backup = _copy(connection, path, version) if version and path is not None else None
    steps = "".join(migrations[version:])
    try:
        connection.executescript(f"BEGIN IMMEDIATE;{steps}PRAGMA user_version = {len(migrations)};COMMIT;")
    except BaseException:
        if connection.in_transaction:
            connection.rollback()
        raise
    return backup


def _copy(connection: sqlite3.Connection, path: Path, version: int) -> Path:
    copy = path.with_name(f"{path.stem}-version-{version}{path.suffix}")
    with contextlib.suppress(FileNotFoundError):
        copy.unlink()
    os.close(os.open(copy, os.O_CREAT | os.O_RDWR, 0o600))
    with contextlib.closing(sqlite3.connect(copy)) as target:
        connection.backup(target)
    return copy
