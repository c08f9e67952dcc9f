"""How files and the words about them become one message, and how it is shown."""

import re
from collections.abc import Sequence

from app.attach.read import Attachment

_HEAD = "File: "
# A file's fence is longer than any in it, so the first line that equals it is its end.
_FILE = re.compile(rf"^{_HEAD}(?P<name>[^\n]+)\n(?P<fence>`{{3,}})\w*\n.*?\n(?P=fence)$\n*", re.DOTALL | re.MULTILINE)


def fenced(file: Attachment) -> str:
    """One file as the model reads it: its name, and its text in a Markdown fence."""
    longest = max(map(len, re.findall("`+", file.text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{_HEAD}{file.name}\n{fence}{file.language}\n{file.text}\n{fence}"


def with_files(text: str, files: Sequence[Attachment]) -> str:
    """The whole message: the files, then what the user says about them."""
    return "\n\n".join([*map(fenced, files), *([text] if text else [])])


def without_files(message: str) -> tuple[str, list[str]]:
    """What the user said, and the names of the files that stand before it; a message without files stays as it is."""
    names: list[str] = []
    at = 0
    while found := _FILE.match(message, at):
        names.append(found["name"])
        at = found.end()
    return message[at:], names
