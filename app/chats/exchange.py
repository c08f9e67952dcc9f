"""Chats as files for other programs and other machines: Markdown to be read, JSON to be read in again."""

import json
import math
import time
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

from app.chats.errors import ImportRefusedError
from app.chats.model import INTERRUPTED, Chat, Message, cut_by_runs, origin_runs
from app.chats.store import Store

FORMAT, VERSION = "s3d-chat", 1
LARGEST_IMPORT = 500_000_000
_CHAT_KEYS = {"title", "pinned", "created", "updated", "settings", "leaf", "messages"}
_MESSAGE_KEYS = {"parent", "role", "text", "origins", "stop_reason", "figures", "created"}
_LATEST = 32_503_680_000.0  # the year 3000, in seconds since the epoch


def as_markdown(chat: Chat, turns: Iterable[Message]) -> str:
    """The branch of a chat that is shown."""
    began = datetime.fromtimestamp(chat.created).strftime("%Y-%m-%d %H:%M")
    parts = [f"# {chat.name}", f"*{began}*"]
    for turn in turns:
        model = turn.figures.get("model")
        who = "You" if turn.role == "user" else f"Assistant ({model})" if model else "Assistant"
        parts += [f"## {who}", turn.text.strip()]
    return "\n\n".join(part for part in parts if part) + "\n"


def as_json(store: Store, chats: Iterable[Chat]) -> str:
    """Chats with all of their branches, settings and figures, for `import_chats`.

    Raises:
        StoreError: the chats cannot be read.
    """
    whole = {"format": FORMAT, "version": VERSION, "chats": [_chat_as_dict(store, chat) for chat in chats]}
    return json.dumps(whole, ensure_ascii=False, indent=1)


def import_file(store: Store, path: Path) -> list[Chat]:
    """Add the chats of an exported file.

    Raises:
        ImportRefusedError: the file cannot be read, or is none of ours, or is damaged; nothing was added.
        StoreError: the chats cannot be written; nothing was added.
    """
    try:
        if path.stat().st_size > LARGEST_IMPORT:
            raise ImportRefusedError(f"{path.name} is too large to be a file of exported chats: choose another one.")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ImportRefusedError(f"{path.name} cannot be read ({reason}): choose another file.") from error
    except UnicodeDecodeError as error:
        raise ImportRefusedError(f"{path.name} holds no text: choose a JSON file exported from S3D Chat.") from error
    try:
        return import_chats(store, text)
    except ImportRefusedError as error:
        raise ImportRefusedError(f"{path.name} was not imported: {error}") from error


def import_chats(store: Store, text: str) -> list[Chat]:
    """Add the chats of a text that `as_json` made.

    Raises:
        ImportRefusedError, StoreError: nothing was added.
    """
    try:
        chats = _checked(json.loads(text))
    except (ValueError, RecursionError) as error:
        raise ImportRefusedError("it is no JSON that could be read; choose a file exported from S3D Chat.") from error
    with store.transaction():
        return [_add(store, chat) for chat in chats]


def duplicate(store: Store, chat: Chat, title: str) -> Chat:
    """A chat of its own with the same messages on the same branches, and the same settings.

    Raises:
        StoreError: nothing was added.
    """
    now = time.time()
    with store.transaction():
        return _add(store, _chat_as_dict(store, chat) | {"title": title, "pinned": False, "updated": now})


def _chat_as_dict(store: Store, chat: Chat) -> dict:
    messages = store.messages(chat.id)
    place = {message.id: index for index, message in enumerate(messages)}
    return {
        "title": chat.title,
        "pinned": chat.pinned,
        "created": chat.created,
        "updated": chat.updated,
        "settings": store.chat_settings(chat.id),
        "leaf": place.get(chat.leaf or 0),
        "messages": [
            {
                "parent": place[message.parent] if message.parent is not None else None,
                "role": message.role,
                "text": message.text,
                "origins": origin_runs(message.pieces),
                "stop_reason": INTERRUPTED if message.stop_reason is None else message.stop_reason,
                "figures": message.figures,
                "created": message.created,
            }
            for message in messages
        ],
    }


def _add(store: Store, given: dict) -> Chat:
    chat = store.add_chat(given["title"])
    keys: list[int] = []
    for message in given["messages"]:
        parent = None if message["parent"] is None else keys[message["parent"]]
        pieces = cut_by_runs(message["text"], message["origins"])
        ended, figures, created = message["stop_reason"], message["figures"], message["created"]
        keys.append(store.add_message(chat.id, parent, message["role"], pieces, ended, figures, created).id)
    leaf = None if given["leaf"] is None else keys[given["leaf"]]
    store.set_chat_settings(chat.id, given["settings"])
    store.set_pinned(chat.id, given["pinned"])
    store.set_leaf(chat.id, leaf)
    store.set_times(chat.id, given["created"], given["updated"])
    return Chat(chat.id, given["title"], given["pinned"], given["created"], given["updated"], leaf)


def _checked(whole: Any) -> list[dict]:
    """The chats in what was read, all of them as `_add` needs them."""
    _check(isinstance(whole, dict) and whole.get("format") == FORMAT, "it holds no chats exported from S3D Chat.")
    version = whole.get("version")
    _check(type(version) is int and version >= 1, "its version is missing; export it again.")
    _check(version <= VERSION, "a newer version of S3D Chat exported it; import it with that version.")
    _check(set(whole) == {"format", "version", "chats"}, "it has other parts than an export; export it again.")
    chats = whole["chats"]
    _check(isinstance(chats, list), "its list of chats is damaged; export it again.")
    for number, chat in enumerate(chats, 1):
        _check_chat(chat, f"chat {number}")
    return chats


def _check_chat(chat: Any, where: str) -> None:
    _check(isinstance(chat, dict) and set(chat) == _CHAT_KEYS, f"{where} is damaged; export it again.")
    messages = chat["messages"]
    good = (
        _is_text(chat["title"])
        and type(chat["pinned"]) is bool
        and _is_time(chat["created"])
        and _is_time(chat["updated"])
        and _is_object(chat["settings"])
        and isinstance(messages, list)
        and (_is_place(chat["leaf"], len(messages)) if messages else chat["leaf"] is None)
    )
    _check(good, f"{where} is damaged; export it again.")
    for index, message in enumerate(messages):
        _check(_is_message(message, index), f"message {index + 1} of {where} is damaged; export it again.")
        answers = message["role"] == "user" or messages[message["parent"]]["role"] == "user"
        _check(answers, f"message {index + 1} of {where} answers nothing; export it again.")


def _is_message(message: Any, index: int) -> bool:
    return (
        isinstance(message, dict)
        and set(message) == _MESSAGE_KEYS
        and (message["parent"] is None or _is_place(message["parent"], index))
        and message["role"] in ("user", "assistant")
        and (message["role"] == "user" or message["parent"] is not None)
        and _is_text(message["text"])
        and isinstance(message["origins"], list)
        and all(type(run) is int and run >= 0 for run in message["origins"])
        and sum(message["origins"]) <= len(message["text"])
        and _is_text(message["stop_reason"])
        and _is_object(message["figures"])
        and _is_time(message["created"])
    )


def _is_text(value: Any) -> bool:
    """A text that can be written as UTF-8: JSON may hold halves of letters."""
    return isinstance(value, str) and not any("\ud800" <= letter <= "\udfff" for letter in value)


def _is_object(value: Any) -> bool:
    return isinstance(value, dict) and _is_text(json.dumps(value, ensure_ascii=False, allow_nan=False))


def _is_time(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value) and 0 <= value < _LATEST


def _is_place(value: Any, end: int) -> bool:
    return type(value) is int and 0 <= value < end


def _check(good: bool, sentence: str) -> None:
    if not good:
        raise ImportRefusedError(sentence)
