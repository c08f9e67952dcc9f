"""JSON read in steps.

The standard library reads a text in a single call that holds Python's lock: for a vocabulary of 50,000 tokens 0.1 s on
a quiet machine, in which the window stands still. Here the outer levels are walked through in Python, which lets others
in, and only what lies deeper is read at once.
"""

import json
import re
from typing import Any

_scan = json.JSONDecoder().scan_once  # type: ignore[attr-defined]  # it is there, and not in the stubs
_space = re.compile(r"[ \t\n\r]*").match


def loads(text: str, levels: int = 3) -> Any:
    """What `json.loads` gives.

    Args:
        levels: of objects and lists that are walked through.

    Raises:
        ValueError: this is no JSON.
    """
    try:
        value, end = _value(text, _after_space(text, 0), levels)
    except (StopIteration, IndexError) as error:
        raise ValueError("this is no JSON") from error
    if _after_space(text, end) != len(text):
        raise ValueError(f"something follows the JSON at {end}")
    return value


def _after_space(text: str, at: int) -> int:
    found = _space(text, at)
    assert found is not None  # nothing matches too
    return found.end()


def _value(text: str, at: int, levels: int) -> tuple[Any, int]:
    """The value at a place, and where it ends."""
    mark = text[at]
    if levels == 0 or mark not in "{[":
        return _scan(text, at)
    return (_object if mark == "{" else _list)(text, _after_space(text, at + 1), levels - 1)


def _object(text: str, at: int, levels: int) -> tuple[dict, int]:
    found: dict[str, Any] = {}
    while text[at] != "}":
        key, at = _scan(text, at)
        at = _after_space(text, at)
        if not isinstance(key, str) or text[at] != ":":
            raise StopIteration
        found[key], at = _value(text, _after_space(text, at + 1), levels)
        at = _next(text, at, "}")
    return found, at + 1


def _list(text: str, at: int, levels: int) -> tuple[list, int]:
    found = []
    while text[at] != "]":
        value, at = _value(text, at, levels)
        found.append(value)
        at = _next(text, at, "]")
    return found, at + 1


def _next(text: str, at: int, end: str) -> int:
    """Where the next element begins behind a comma, or where the container's end is."""
    at = _after_space(text, at)
    if text[at] == end:
        return at
    if text[at] != ",":
        raise StopIteration
    at = _after_space(text, at + 1)
    if text[at] == end:  # a comma with nothing behind it
        raise StopIteration
    return at
