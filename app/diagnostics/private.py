"""What must never reach the log or a report: tokens, the text of chats, and where the user's home is.

An error's message may quote what it choked on. So the worker tells here what is asked and written, and whatever is
logged or reported is searched for it.
"""

import contextlib
import re
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path

# Chats are recognised by runs of this many characters: long enough not to meet ordinary words by chance.
RUN = 14
# Shorter messages are recognised as a whole.
LEAST = 4
MOST_KEPT = 200_000

_TOKENS = re.compile(
    r"\b(?:hf|sk|ghp|gho|github_pat|xox[abp]|api_org)[_-][A-Za-z0-9_-]{6,}"
    r"|\bs3d-[A-Za-z0-9_-]{40,}"
    r"|(?i:(?<=bearer )|(?<=authorization: )|(?<=token=)|(?<=key=)|(?<=password=))[^\s&'\"]{4,}"
)


class Private:
    """Remembers the text of this run's chats, the newest `MOST_KEPT` characters of it. For use from any thread."""

    def __init__(self):
        self._texts: deque[str] = deque()
        self._written = ""
        self._kept = 0
        self._lock = threading.Lock()

    def remember(self, text: str) -> None:
        """From now on keep this text out; what was written before it is an answer that has ended."""
        with self._lock:
            for whole in (self._written, text):
                if whole and whole not in self._texts:
                    self._texts.append(whole[-MOST_KEPT:])
                    self._kept += len(self._texts[-1])
            self._written = ""
            while self._kept > MOST_KEPT:
                self._kept -= len(self._texts.popleft())

    def write_on(self, piece: str) -> None:
        """Keep out a further piece of the answer that is being written."""
        with self._lock:
            self._written = (self._written + piece)[-MOST_KEPT:]

    def scrub(self, text: str) -> str:
        """`text` without tokens, chats, and the name of the home folder."""
        text = _TOKENS.sub("[token]", text)
        home = str(Path.home())
        if len(home) > 1:
            text = text.replace(home, "~")
        with self._lock:
            texts = [*self._texts, self._written]
        for short in {said.strip() for said in texts}:
            if LEAST <= len(short) < RUN:
                text = re.sub(rf"(?<!\w){re.escape(short)}(?!\w)", "[chat]", text)
        return _without_runs(text, texts)


def _without_runs(text: str, texts: list[str]) -> str:
    """`text` with every run of `RUN` or more characters that one of `texts` holds too replaced by "[chat]"."""
    known = {said[at : at + RUN] for said in texts for at in range(len(said) - RUN + 1)}
    if not known:
        return text
    kept, at, end = [], 0, 0
    for start in range(len(text) - RUN + 1):
        if text[start : start + RUN] in known:
            if start >= end:
                kept += [text[at:start], "[chat]"]
            at = end = start + RUN
    return "".join(kept) + text[at:]


private = Private()


@contextlib.contextmanager
def keeping_private(texts: Iterable[str]) -> Iterator[None]:
    """What is raised inside may quote `texts`, which are no part of a chat yet."""
    try:
        yield
    except BaseException:
        for text in texts:
            private.remember(text)
        raise
