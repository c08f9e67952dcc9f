"""The chats on the disk. Every call is one transaction: it has happened wholly when it returns, or not at all."""

import json
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from app.chats.conversation import Conversation
from app.chats.errors import StoreCorruptError, StoreError, known
from app.chats.model import INTERRUPTED, Chat, Message, Piece, cut_by_runs, origin_runs
from app.chats.opening import Checkpointer, connect, set_aside

# Deleted chats can be brought back for so long.
KEEP_DELETED_SECONDS = 30 * 24 * 3600.0

_CHAT = "id, title, pinned, created, updated, leaf"
_NOT_EMPTY = "(draft != '' OR EXISTS (SELECT 1 FROM messages WHERE chat = chats.id))"


class Store:
    """Chats and their messages, for the thread that made it.

    Everything may raise `StoreError` with a sentence for the user; what was asked for has then not happened.

    Attributes:
        path: the file, or None where chats live in memory alone.
        notice: one sentence about something that happened while opening, or None.
    """

    def __init__(self, path: Path | None = None):
        self.path = path
        self.notice: str | None = None
        try:
            self._connection = connect(path)
        except StoreCorruptError:
            if path is None:
                raise
            aside = set_aside(path)
            self._connection = connect(path)
            self.notice = f"The file of your chats was damaged: it is kept as {aside}, and a new one is begun."
        self._checkpointer = Checkpointer(path) if path is not None else None
        try:
            self._tidy()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Bring everything into the file and let it go."""
        if self._checkpointer is not None:
            self._checkpointer.close()
        self._connection.close()

    # -- chats ---------------------------------------------------------------------------------------------------

    def chats(self) -> list[Chat]:
        """Chats with a message or something typed: pinned ones first, then those used last."""
        where = f"deleted_at IS NULL AND {_NOT_EMPTY}"
        return self._chats(f"WHERE {where} ORDER BY pinned DESC, updated DESC, id DESC")

    def deleted_chats(self) -> list[Chat]:
        """Chats that can still be brought back, the one deleted last first."""
        return self._chats("WHERE deleted_at IS NOT NULL ORDER BY deleted_at DESC, id DESC")

    def chat(self, chat_id: int) -> Chat | None:
        """A chat, unless it is gone or deleted."""
        return next(iter(self._chats("WHERE deleted_at IS NULL AND id = ?", chat_id)), None)

    def last_opened(self) -> Chat | None:
        """The chat that the user looked at last."""
        return next(iter(self._chats("WHERE deleted_at IS NULL AND opened > 0 ORDER BY opened DESC LIMIT 1")), None)

    def empty_chat(self) -> Chat:
        """A chat without messages, text typed or settings: one that is there already, or a new one."""
        found = self._chats(f"WHERE deleted_at IS NULL AND settings = '{{}}' AND NOT {_NOT_EMPTY} LIMIT 1")
        return found[0] if found else self.add_chat()

    def add_chat(self, title: str = "") -> Chat:
        """A new chat without messages."""
        now = time.time()
        with self.transaction():
            key = self._run("INSERT INTO chats (title, created, updated) VALUES (?, ?, ?)", title, now, now).lastrowid
        return Chat(key or 0, title, False, now, now, None)

    def mark_opened(self, chat_id: int) -> None:
        """The user looks at this chat now."""
        self._set(chat_id, "opened", time.time())

    def rename(self, chat_id: int, title: str) -> None:
        """Give a chat a title."""
        self._set(chat_id, "title", title)

    def set_pinned(self, chat_id: int, pinned: bool) -> None:
        """Keep a chat at the top of the list, or do so no longer."""
        self._set(chat_id, "pinned", int(pinned))

    def set_times(self, chat_id: int, created: float, updated: float) -> None:
        """When a chat that comes from elsewhere began and was used last."""
        with self.transaction():
            self._run("UPDATE chats SET created = ?, updated = ? WHERE id = ?", created, updated, chat_id)

    def set_leaf(self, chat_id: int, leaf: int | None) -> None:
        """Show another branch of a chat."""
        self._set(chat_id, "leaf", leaf)

    def delete(self, chat_id: int) -> None:
        """Put a chat away; `restore` brings it back."""
        self._set(chat_id, "deleted_at", time.time())

    def restore(self, chat_id: int) -> None:
        """Bring a deleted chat back."""
        self._set(chat_id, "deleted_at", None)

    def purge(self, deleted_before: float) -> None:
        """Remove for good what was deleted before this time, in seconds since the epoch."""
        gone = "SELECT id FROM chats WHERE deleted_at < ?"
        with self.transaction():
            self._run(f"DELETE FROM messages WHERE chat IN ({gone})", deleted_before)
            self._run("DELETE FROM chats WHERE deleted_at < ?", deleted_before)

    def title(self, chat_id: int) -> str:
        """A chat's title, empty while it has none."""
        return self._get(chat_id, "title", "")

    def draft(self, chat_id: int) -> str:
        """What was typed in this chat and not sent."""
        return self._get(chat_id, "draft", "")

    def set_draft(self, chat_id: int, text: str) -> None:
        """Keep what was typed and not sent."""
        self._set(chat_id, "draft", text)

    def chat_settings(self, chat_id: int) -> dict:
        """The settings of this chat alone, as they were given to `set_chat_settings`."""
        return json.loads(self._get(chat_id, "settings", "{}"))

    def set_chat_settings(self, chat_id: int, settings: dict) -> None:
        """Keep settings for this chat alone: anything that is JSON."""
        self._set(chat_id, "settings", json.dumps(settings))

    # -- messages ------------------------------------------------------------------------------------------------

    def conversation(self, chat_id: int) -> Conversation:
        """A chat as a tree of messages."""
        return Conversation(chat_id, self.messages(chat_id), self._get(chat_id, "leaf", None))

    def messages(self, chat_id: int) -> list[Message]:
        """All messages of a chat, on whatever branch, each behind the one it follows."""
        return [_message(row) for row in self.rows("SELECT * FROM messages WHERE chat = ? ORDER BY id", chat_id)]

    def add_turn(self, chat_id: int, parent: int | None, text: str) -> tuple[Message, Message]:
        """The user's turn and the reply to it, which is still empty."""
        with self.transaction():
            turn = self.add_message(chat_id, parent, "user", [(text, False)], "")
            return turn, self.add_reply(chat_id, turn.id)

    def add_reply(self, chat_id: int, parent: int | None) -> Message:
        """A reply that is about to be written."""
        return self.add_message(chat_id, parent, "assistant", [], None)

    def add_message(
        self,
        chat_id: int,
        parent: int | None,
        role: str,
        pieces: list[Piece],
        stop_reason: str | None,
        figures: dict | None = None,
        created: float | None = None,
    ) -> Message:
        """Put a message below `parent`; the chat's shown branch ends at it."""
        now = time.time() if created is None else created
        message = Message(0, parent, role, list(pieces), stop_reason, figures or {}, now)
        with self.transaction():
            message.id = (
                self._run(
                    "INSERT INTO messages (chat, parent, role, text, origins, stop_reason, figures, created)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    *(chat_id, parent, role, message.text, json.dumps(origin_runs(pieces))),
                    *(stop_reason, json.dumps(message.figures), now),
                ).lastrowid
                or 0
            )
            self._run("UPDATE chats SET leaf = ?, updated = ? WHERE id = ?", message.id, now, chat_id)
        return message

    def write(self, message: Message) -> None:
        """Write a message as it is now."""
        with self.transaction():
            self._run(
                "UPDATE messages SET text = ?, origins = ?, stop_reason = ?, figures = ? WHERE id = ?",
                *(message.text, json.dumps(origin_runs(message.pieces)), message.stop_reason),
                *(json.dumps(message.figures), message.id),
            )

    def take_back(self, chat_id: int, messages: Iterable[Message], leaf: int | None) -> None:
        """Remove messages that nothing else follows, the last one first; the shown branch then ends at `leaf`."""
        with self.transaction():
            for message in messages:
                self._run("DELETE FROM messages WHERE id = ?", message.id)
            self._run("UPDATE chats SET leaf = ? WHERE id = ?", leaf, chat_id)

    def take_out(self, message: Message) -> list[int]:
        """Remove a message; what follows it then follows the one before it.

        Returns:
            The ids of what followed it, for `put_back`.
        """
        with self.transaction():
            followers = [row["id"] for row in self.rows("SELECT id FROM messages WHERE parent = ?", message.id)]
            self._run("UPDATE messages SET parent = ? WHERE parent = ?", message.parent, message.id)
            self._run("DELETE FROM messages WHERE id = ?", message.id)
        return followers

    def put_back(self, chat_id: int, message: Message, followers: Iterable[int]) -> None:
        """Undo `take_out`."""
        with self.transaction():
            self._run(
                "INSERT INTO messages (id, chat, parent, role, text, origins, stop_reason, figures, created)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                *(message.id, chat_id, message.parent, message.role, message.text),
                *(json.dumps(origin_runs(message.pieces)), message.stop_reason),
                *(json.dumps(message.figures), message.created),
            )
            for follower in followers:
                self._run("UPDATE messages SET parent = ? WHERE id = ?", message.id, follower)

    # -- inside --------------------------------------------------------------------------------------------------

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing of what is done inside; one inside another is part of the outer one."""
        if self._connection.in_transaction:
            yield
            return
        self._run("BEGIN IMMEDIATE")
        try:
            yield
            self._run("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.rollback()
            raise
        if self._checkpointer is not None:
            self._checkpointer.note_change()

    def rows(self, statement: str, *values) -> list[sqlite3.Row]:
        """What a question finds."""
        return self._run(statement, *values).fetchall()

    def _run(self, statement: str, *values) -> sqlite3.Cursor:
        with known(self.path or "memory"):
            return self._connection.execute(statement, values)

    def _chats(self, which: str, *values) -> list[Chat]:
        return [
            Chat(row["id"], row["title"], bool(row["pinned"]), row["created"], row["updated"], row["leaf"])
            for row in self.rows(f"SELECT {_CHAT} FROM chats {which}", *values)
        ]

    def _get(self, chat_id: int, column: str, otherwise):
        found = self.rows(f"SELECT {column} FROM chats WHERE id = ?", chat_id)
        return found[0][0] if found else otherwise

    def _set(self, chat_id: int, column: str, value) -> None:
        with self.transaction():
            self._run(f"UPDATE chats SET {column} = ? WHERE id = ?", value, chat_id)

    def _tidy(self) -> None:
        """Replies that a crash cut off have ended; what was deleted long ago goes."""
        with self.transaction():
            self._run("UPDATE messages SET stop_reason = ? WHERE stop_reason IS NULL", INTERRUPTED)
        self.purge(time.time() - KEEP_DELETED_SECONDS)


def open_store(path: Path) -> Store:
    """The chats at `path`; where they cannot be opened, chats live in memory, and the store's notice says why."""
    try:
        return Store(path)
    except StoreError as error:
        store = Store()
        store.notice = f"{error} Until the next start, chats are not saved."
        return store


def _message(row: sqlite3.Row) -> Message:
    return Message(
        row["id"],
        row["parent"],
        row["role"],
        cut_by_runs(row["text"], json.loads(row["origins"])),
        row["stop_reason"],
        json.loads(row["figures"]),
        row["created"],
    )
