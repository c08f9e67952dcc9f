"""The key that a program must show: where it comes from, and how it is kept. It is never logged."""

import hmac
import os
import secrets
from pathlib import Path

from app.models.places import data_dir
from app.server.errors import ServerError

VARIABLE = "S3D_API_KEY"
_SHORTEST = 8


def key_file() -> Path:
    """Where the key lies that is made at the first start."""
    return data_dir() / "server-key"


def find(given: Path | None = None) -> tuple[str, str]:
    """The key, and in words where it comes from: `$S3D_API_KEY`, else the file, which is made where it is missing.

    Args:
        given: a file to use in the place of `key_file()`.

    Raises:
        ServerError: the key cannot be read or made, or is none that a header can carry.
    """
    if given is None and (key := os.environ.get(VARIABLE)) is not None:
        return _checked(key.strip(), f"${VARIABLE}"), f"${VARIABLE}"
    path = given or key_file()
    try:
        try:
            key = path.read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            key = make(path)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise ServerError(f"The key in {path} cannot be read or made: {reason}; choose another --key-file.") from error
    return _checked(key, str(path)), str(path)


def make(path: Path) -> str:
    """Write a new key to a file that its owner alone can read; returns it.

    Raises:
        OSError: the file is there already, or cannot be written.
    """
    key = "s3d-" + secrets.token_urlsafe(32)
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(key + "\n")
    return key


def is_right(shown: str, key: str) -> bool:
    """Whether a program shows the right key, in a time that tells nothing of it."""
    return hmac.compare_digest(shown.encode("utf-8", "surrogateescape"), key.encode())


def _checked(key: str, source: str) -> str:
    if len(key) < _SHORTEST or not all("!" <= letter <= "~" for letter in key):
        raise ServerError(
            f"The key in {source} must be {_SHORTEST} or more letters, digits and signs without spaces; write another."
        )
    return key
