"""Words looked for in titles and messages."""

from dataclasses import dataclass

from app.chats.model import Chat
from app.chats.store import Store

MOST_HITS = 200
_BEFORE, _LONGEST = 14, 160
# The index knows letters in threes.
_SHORTEST_INDEXED = 3


@dataclass(frozen=True)
class Hit:
    """A chat in which all words occur together.

    Attributes:
        message: the newest message that has them, or None where the title does.
        excerpt: one line of the message around the first of them.
    """

    chat: Chat
    message: int | None = None
    excerpt: str = ""


def search(store: Store, text: str) -> list[Hit]:
    """Chats whose title or one of whose messages holds every word of `text` in any place, also inside of other words.

    Returns:
        One hit for each chat: by title first, then by message, the newest first; at most `MOST_HITS`.

    Raises:
        StoreError: the chats cannot be read.
    """
    words = text.replace("\0", " ").split()
    if not words:
        return []
    chats = {chat.id: chat for chat in store.chats()}
    hits = {}
    for row in store.rows(*_question("titles_found", "title", "chats", "id", "id", words)):
        if row["chat"] in chats:
            hits[row["chat"]] = Hit(chats[row["chat"]])
    for row in store.rows(*_question("messages_found", "text", "messages", "id", "chat", words)):
        if row["chat"] in chats and row["chat"] not in hits:
            hits[row["chat"]] = Hit(chats[row["chat"]], row["key"], excerpt(row["found"], words))
    return list(hits.values())[:MOST_HITS]


def _question(index: str, column: str, table: str, key: str, chat: str, words: list[str]) -> tuple[str, ...]:
    """The statement and its values: long words are asked of the index, short ones of the text itself."""
    long = [word for word in words if len(word) >= _SHORTEST_INDEXED]
    short = [word for word in words if len(word) < _SHORTEST_INDEXED]
    tests, values = [], []
    if long:
        tests.append(f"{key} IN (SELECT rowid FROM {index} WHERE {index} MATCH ?)")
        values.append(" AND ".join('"' + word.replace('"', '""') + '"' for word in long))
    for word in short:
        tests.append(f"{column} LIKE ? ESCAPE '\\'")
        values.append("%" + word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%")
    statement = (
        f"SELECT {key} AS key, {chat} AS chat, {column} AS found FROM {table} "
        f"WHERE {' AND '.join(tests)} ORDER BY key DESC LIMIT 5000"
    )
    return statement, *values


def excerpt(text: str, words: list[str]) -> str:
    """One line of `text` around the first place of any of the words."""
    folded = text.casefold()
    places = [at for word in words if (at := folded.find(word.casefold())) >= 0]
    begin = max(0, min(places, default=0) - _BEFORE)
    end = begin + _LONGEST
    line = " ".join(text[begin:end].split())
    return f"{'… ' if begin else ''}{line}{' …' if end < len(text) else ''}"
