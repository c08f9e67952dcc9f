"""Chats on the disk: what is written is read again, and what cannot be done is said in one sentence."""

import contextlib
import os
import sqlite3
import stat
import sys
import time

import pytest

from app.chats import schema
from app.chats.errors import (
    StoreCorruptError,
    StoreFullError,
    StoreLockedError,
    StoreNewerError,
    StoreReadOnlyError,
    StoreUnreachableError,
)
from app.chats.opening import connect
from app.chats.search import search
from app.chats.store import Store, open_store

PIECES = [("Hel", False), ("lo 🙂", True), (" there", False)]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "data" / "chats.sqlite3"


@pytest.fixture
def store(path):
    with contextlib.closing(Store(path)) as store:
        yield store


def write_chat(store, question="Hi", answer=PIECES):
    chat = store.add_chat("A title")
    turn, reply = store.add_turn(chat.id, None, question)
    reply.pieces, reply.stop_reason, reply.figures = list(answer), "stop", {"tokens": 3}
    store.write(reply)
    return chat, turn, reply


def test_a_chat_is_read_as_it_was_written(store, path):
    chat, turn, reply = write_chat(store)
    store.close()
    again = Store(path)
    assert again.conversation(chat.id).turns == [turn, reply]
    assert again.chat(chat.id).leaf == reply.id
    again.close()


def test_pieces_of_one_origin_come_back_as_one(store):
    chat, _, reply = write_chat(store, answer=[("a", False), ("b", False), ("", True), ("c", True), ("d", True)])
    (_, found) = store.conversation(chat.id).turns
    assert found.pieces == [("ab", False), ("cd", True)]
    assert found.text == reply.text


def test_a_reply_cut_off_by_a_crash_is_there_and_marked(store, path):
    chat = store.add_chat()
    _, reply = store.add_turn(chat.id, None, "Hi")
    reply.pieces.append(("Half an ans", False))
    store.write(reply)
    store.close()
    again = Store(path)
    found = again.conversation(chat.id).turns[-1]
    assert (found.text, found.stop_reason, found.can_continue) == ("Half an ans", "interrupted", True)
    assert [hit.chat.id for hit in search(again, "half")] == [chat.id]
    again.close()


def test_an_empty_chat_is_not_listed_and_used_again(store):
    empty = store.empty_chat()
    assert store.chats() == []
    assert store.empty_chat().id == empty.id
    store.set_draft(empty.id, "typed")
    assert [chat.id for chat in store.chats()] == [empty.id]
    assert store.draft(empty.id) == "typed"
    assert store.empty_chat().id != empty.id


def test_settings_of_a_chat_are_its_own(store):
    first, second = store.add_chat(), store.add_chat()
    store.set_chat_settings(first.id, {"system": "Be brief", "sampling": {"top_k": 40}})
    assert store.chat_settings(first.id) == {"system": "Be brief", "sampling": {"top_k": 40}}
    assert store.chat_settings(second.id) == {}


def test_pinned_chats_come_first_then_those_used_last(store):
    chats = [write_chat(store)[0] for _ in range(3)]
    store.set_pinned(chats[0].id, True)
    assert [chat.id for chat in store.chats()] == [chats[0].id, chats[2].id, chats[1].id]


def test_a_deleted_chat_comes_back_whole_until_it_is_purged(store):
    chat, turn, reply = write_chat(store)
    store.delete(chat.id)
    assert store.chats() == []
    assert store.chat(chat.id) is None
    assert search(store, "title") == []
    assert [gone.id for gone in store.deleted_chats()] == [chat.id]
    store.restore(chat.id)
    assert store.conversation(chat.id).turns == [turn, reply]
    store.delete(chat.id)
    store.purge(time.time() + 1)
    assert store.deleted_chats() == []
    assert store.rows("SELECT id FROM messages") == []


def test_a_long_chat_can_be_purged(store):
    """Deleting from parent to child by cascades ended at SQLite's limit of a thousand levels."""
    chat, parent = store.add_chat(), None
    with store.transaction():
        for _ in range(1500):
            parent = store.add_message(chat.id, parent, "user", [("x", False)], "").id
    store.delete(chat.id)
    store.purge(time.time() + 1)
    assert store.rows("SELECT id FROM messages") == []


def test_what_is_taken_back_is_gone_and_the_branch_ends_before_it(store):
    chat, _, reply = write_chat(store)
    turn, empty = store.add_turn(chat.id, reply.id, "Another")
    store.take_back(chat.id, [empty, turn], reply.id)
    assert store.conversation(chat.id).turns[-1] == reply


def test_a_transaction_happens_wholly_or_not_at_all(store):
    chat = store.add_chat()

    def accident():
        with store.transaction():
            store.add_message(chat.id, None, "user", [("x", False)], "")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        accident()
    assert store.conversation(chat.id).turns == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other permissions")
def test_only_the_owner_can_read_the_file(path):
    path.parent.mkdir()
    path.touch(0o644)
    store = Store(path)
    write_chat(store)
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    store.close()


# -- versions --------------------------------------------------------------------------------------------------------


def test_an_older_file_is_copied_and_then_migrated(store, path):
    chat, turn, _ = write_chat(store)
    with contextlib.closing(connect(path)) as connection:
        step = "ALTER TABLE chats ADD COLUMN colour TEXT;"
        copy = schema.migrate(connection, path, (*schema.MIGRATIONS, step))
        assert connection.execute("SELECT colour FROM chats").fetchone()[0] is None
    with contextlib.closing(sqlite3.connect(copy)) as old:
        assert old.execute("PRAGMA user_version").fetchone()[0] == len(schema.MIGRATIONS)
        assert old.execute("SELECT text FROM messages WHERE id = ?", (turn.id,)).fetchone()[0] == "Hi"
        assert "colour" not in [row[1] for row in old.execute("PRAGMA table_info(chats)")]
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600 or sys.platform == "win32"
    assert chat.id


def test_a_migration_that_fails_leaves_the_file_as_it_was(store, path):
    write_chat(store)
    with contextlib.closing(connect(path)) as connection:
        with pytest.raises(sqlite3.OperationalError):
            schema.migrate(connection, path, (*schema.MIGRATIONS, "ALTER TABLE chats ADD COLUMN colour; NONSENSE;"))
        assert connection.execute("PRAGMA user_version").fetchone()[0] == len(schema.MIGRATIONS)
        assert "colour" not in [row[1] for row in connection.execute("PRAGMA table_info(chats)")]


def test_a_file_of_a_newer_version_is_refused_and_left_alone(store, path):
    write_chat(store)
    store.close()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {len(schema.MIGRATIONS) + 1}")
    before = path.read_bytes()
    with pytest.raises(StoreNewerError, match="newer version of S3D Chat: install that version"):
        Store(path)
    assert path.read_bytes() == before
    kept = open_store(path)
    assert "not saved" in kept.notice
    write_chat(kept)
    assert path.read_bytes() == before


# -- what can go wrong ----------------------------------------------------------------------------------------------


def damage(path):
    write_chat(store := Store(path), "x" * 50_000)
    store.close()
    whole = bytearray(path.read_bytes())
    whole[4096:20_000] = os.urandom(20_000 - 4096)
    path.write_bytes(whole)
    return bytes(whole)


def test_a_damaged_file_is_kept_aside_and_a_new_one_begun(path):
    damaged = damage(path)
    store = Store(path)
    assert store.chats() == []
    (aside,) = path.parent.glob("chats-damaged-*.sqlite3")
    assert str(aside) in store.notice
    assert aside.read_bytes() == damaged
    write_chat(store)
    store.close()
    assert Store(path).notice is None


def test_a_file_that_is_no_database_is_kept_aside(path):
    path.parent.mkdir()
    path.write_bytes(b"This is no database. " * 500)
    store = Store(path)
    assert "damaged" in store.notice
    write_chat(store)
    store.close()


def test_damage_met_while_running_is_said_in_one_sentence(store, path):
    chat, _, _ = write_chat(store, "x" * 200_000)
    store.rows("PRAGMA wal_checkpoint(TRUNCATE)")
    with path.open("r+b") as file:
        file.seek(8192)
        file.write(os.urandom(path.stat().st_size - 8192))
    store.rows("PRAGMA shrink_memory")
    with pytest.raises(StoreCorruptError, match="damaged: start the program again"):
        store.conversation(chat.id)


def test_a_locked_file_is_explained(store, path):
    chat, _, _ = write_chat(store)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreLockedError, match="Another program is using the chats in"):
            store.rename(chat.id, "New")
        assert store.chat(chat.id).title == "A title"
        other.execute("COMMIT")
    store.rename(chat.id, "New")
    assert store.chat(chat.id).title == "New"


def test_a_file_that_is_locked_at_the_start_is_left_alone(store, path):
    write_chat(store)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with contextlib.closing(open_store(path)) as kept:
            assert kept.path is None
            assert kept.notice.startswith("Another program is using the chats in")
    assert len(store.chats()) == 1


def test_two_programs_on_one_file_both_keep_what_they_wrote(store, path):
    with contextlib.closing(Store(path)) as other:
        for _ in range(20):
            write_chat(store)
            write_chat(other)
        assert len(store.chats()) == len(other.chats()) == 40
    assert store.rows("PRAGMA integrity_check")[0][0] == "ok"


def test_a_full_disk_is_said_in_one_sentence(store):
    chat, _, reply = write_chat(store)
    pages = store.rows("PRAGMA page_count")[0][0]
    store.rows(f"PRAGMA max_page_count = {pages}")
    reply.pieces.append(("x" * 100_000, False))
    with pytest.raises(StoreFullError, match="The disk is full"):
        store.write(reply)
    store.rows("PRAGMA max_page_count = 1000000")
    assert store.conversation(chat.id).turns[-1].text == "Hello 🙂 there"
    store.write(reply)
    assert len(store.conversation(chat.id).turns[-1].text) > 100_000


def test_a_read_only_file_is_explained(store):
    chat, _, _ = write_chat(store)
    store.rows("PRAGMA query_only = ON")
    with pytest.raises(StoreReadOnlyError, match="read-only"):
        store.rename(chat.id, "New")


def test_a_folder_that_cannot_be_made_is_explained(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnreachableError, match="cannot be opened"):
        Store(tmp_path / "file" / "chats.sqlite3")


def test_a_bug_is_not_taken_for_a_known_error(store):
    with pytest.raises(sqlite3.IntegrityError):
        store.add_message(12345, None, "user", [("x", False)], "")


# -- search ---------------------------------------------------------------------------------------------------------


def test_search_finds_parts_of_words_in_titles_and_messages(store):
    chat, turn, _ = write_chat(store, "Why does sourdough bread rise, 漢字?")
    for text in ("dough", "DOUGH bre", "漢字", "ri 漢", "title"):
        assert [hit.chat.id for hit in search(store, text)] == [chat.id], text
    assert search(store, "dough")[0].message == turn.id
    assert "sourdough bread" in search(store, "dough")[0].excerpt
    assert search(store, "dough nowhere") == []


@pytest.mark.parametrize("text", ['"', "'", "%", "_", "\\", "*", "a OR b", "NEAR(", "\0", "-", "()", "title:x", "  "])
def test_search_takes_every_letter_as_it_stands(store, text):
    write_chat(store)
    assert search(store, text) == []
    if text.strip(" \0"):
        chat, _, _ = write_chat(store, f"before {text} after")
        assert [hit.chat.id for hit in search(store, text)] == [chat.id]


def test_the_index_follows_every_change(store):
    chat, turn, reply = write_chat(store)
    reply.stop_reason = None
    store.write(reply)
    reply.pieces, reply.stop_reason = [("Something else", False)], "stop"
    store.write(reply)
    store.rename(chat.id, "Bread")
    assert search(store, "there") == []
    assert search(store, "A title") == []
    assert [hit.message for hit in search(store, "something")] == [reply.id]
    empty = store.add_reply(chat.id, turn.id)
    store.take_back(chat.id, [empty, reply], turn.id)
    for index in ("messages_found", "titles_found"):
        store.rows(f"INSERT INTO {index}({index}, rank) VALUES ('integrity-check', 1)")
    assert search(store, "something") == []


def test_a_message_is_taken_out_and_put_back_with_what_follows_it(store):
    chat = store.add_chat().id
    first, reply = store.add_turn(chat, None, "One")
    reply.pieces, reply.stop_reason = [("Answer", True)], "stop"
    store.write(reply)
    second, _ = store.add_turn(chat, reply.id, "Two")
    other = store.add_message(chat, reply.id, "user", [("Another two", False)], "")
    before = store.messages(chat)
    followers = store.take_out(reply)
    assert followers == [second.id, other.id]
    assert [message.parent for message in store.messages(chat)] == [None, first.id, second.id, first.id]
    assert search(store, "Answer") == []
    store.put_back(chat, reply, followers)
    assert store.messages(chat) == before
    assert len(search(store, "Answer")) == 1


def test_the_first_message_can_be_taken_out(store):
    chat = store.add_chat().id
    first, reply = store.add_turn(chat, None, "One")
    followers = store.take_out(first)
    assert [message.parent for message in store.messages(chat)] == [None]
    store.put_back(chat, first, followers)
    assert [message.parent for message in store.messages(chat)] == [None, first.id]
    assert store.conversation(chat).turns[1].id == reply.id
