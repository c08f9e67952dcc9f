"""A title made from the first turn of a chat."""

import re

from app.attach.fence import without_files

LONGEST = 48
_MARKS = re.compile(r"[`*_#>~|]+|^\s*[-+]\s+|^\s*\d+[.)]\s+")


def title_of(turn: str) -> str:
    """The title of a chat that begins with this turn; files that go with it count only where nothing else is said."""
    return title_from(without_files(turn)[0] or turn)


def title_from(text: str) -> str:
    """The first line of a turn that says something, without its markdown, cut between words at `LONGEST` letters."""
    for line in text.splitlines():
        if line.lstrip().startswith(("```", "~~~")):
            continue
        words = " ".join(_MARKS.sub(" ", line).split())
        if words:
            return _cut(words)
    return _cut(" ".join(text.split()))


def _cut(words: str) -> str:
    if len(words) <= LONGEST:
        return words
    at = words.rfind(" ", 0, LONGEST + 1)
    # Where there is no space to cut at, as in Chinese, it is cut anywhere.
    return words[: at if at >= LONGEST // 2 else LONGEST].rstrip(" ,;:.-") + " …"
