"""Object code that is kept on disk between runs, each function's in a file of its own behind its SHA-256."""

import hashlib
import logging
import os
from pathlib import Path

log = logging.getLogger(__name__)


def read(file: Path) -> bytes | None:
    """Object code from a file that is whole and that nobody else could have written, or None."""
    try:
        if any(_others_write(path) for path in (file, file.parent)):
            return None
        held = file.read_bytes()
    except OSError:
        return None
    digest, code = held[:32], held[32:]
    return code if hashlib.sha256(code).digest() == digest else None


def _others_write(path: Path) -> bool:
    """Whether another user can write there: what is kept is run."""
    status = path.stat()
    return status.st_uid not in (os.geteuid(), 0) or bool(status.st_mode & 0o002)


def write(file: Path, code: bytes) -> None:
    """Write object code behind its SHA-256. A disk that is full or read-only only costs the time saved."""
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = file.with_name(f"{file.name}.{os.getpid()}")
        part.write_bytes(hashlib.sha256(code).digest() + code)
        part.chmod(0o600)
        part.replace(file)
    except OSError as error:
        log.info("compiled code is not kept: %s", error)
