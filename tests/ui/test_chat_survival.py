"""A program that is killed at any moment loses nothing that was flushed, and never its file."""

import json
import multiprocessing
import random
import sys
import time

import pytest
from ui.chat_driver import digest, drive

from app.chats.store import Store
from app.ui.chat.writing import FLUSH_MS

KILLS = 30


def report_of(path, seed: int, steps: int, seconds: float) -> list[dict]:
    """Let a process use the store, and kill it so long after so many steps; returns what it told until then."""
    # Forked from a server that has imported all: the process is at work within some milliseconds.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["ui.chat_driver", "PySide6.QtCore", "app.chats.store", "app.ui.chat.writing"])
    reading, writing = context.Pipe(duplex=False)
    process = context.Process(target=drive, args=(str(path), writing, seed))
    process.start()
    writing.close()
    told = [json.loads(reading.recv_bytes()) for _ in range(steps)]
    time.sleep(seconds)
    process.kill()
    process.join()
    while True:
        try:
            told.append(json.loads(reading.recv_bytes()))
        except EOFError:
            break
    reading.close()
    return told


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs processes that fork")
def test_thirty_kills_lose_nothing_that_was_flushed(tmp_path, record_property):
    path, dice = tmp_path / "chats.sqlite3", random.Random(7)
    flushed: dict[int, dict] = {}
    gone: set[int] = set()
    interrupted = 0
    for seed in range(KILLS):
        told = report_of(path, seed, dice.randint(1, 25), dice.uniform(0, 0.02))
        assert told[0] == {"ready": True}
        for what in told:
            if "message" in what:
                flushed[what["message"]] = flushed.get(what["message"], {}) | what
            gone |= set(what.get("purging", ()))
        store = Store(path)
        assert store.notice is None
        assert store.rows("PRAGMA integrity_check")[0][0] == "ok"
        assert store.rows("PRAGMA foreign_key_check") == []
        for index in ("messages_found", "titles_found"):
            store.rows(f"INSERT INTO {index}({index}, rank) VALUES ('integrity-check', 1)")
        found = {row["id"]: row for row in store.rows("SELECT id, chat, text, stop_reason FROM messages")}
        chats = {row["id"] for row in store.rows("SELECT id FROM chats")}
        for key, what in flushed.items():
            if what["chat"] in gone:
                continue
            assert what["chat"] in chats
            text = found[key]["text"]
            assert len(text) >= what["letters"]
            assert digest(text[: what["letters"]]) == what["digest"]
            assert found[key]["stop_reason"] is not None
        interrupted += sum(row["stop_reason"] == "interrupted" for row in found.values())
        for chat in store.chats():
            store.conversation(chat.id).turns  # noqa: B018
        store.close()
    record_property("messages", len(flushed))
    assert len(flushed) > KILLS
    assert interrupted > 0
    assert FLUSH_MS <= 1000
