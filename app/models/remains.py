"""Folders that a step works in while it is not done. Their names hold the process, so that what a killed one left goes.

.fetch-123    .import-123    .old-123-name    .removed-123-name
"""

import os
import re
import shutil
from pathlib import Path

import psutil

from app.models.places import models_dir

_NAME = re.compile(r"\.(fetch|import|old|removed)-(\d+)(-.*)?")


def working_name(kind: str, name: str = "") -> Path:
    """Where this process keeps what it works on: `kind` is one of fetch, import, old, removed."""
    return models_dir() / (f".{kind}-{os.getpid()}" + (f"-{name}" if name else ""))


def clear_remains() -> None:
    """Delete what processes left that are gone, and what this one left."""
    try:
        entries = list(models_dir().iterdir())
    except OSError:
        return
    for entry in entries:
        match = _NAME.fullmatch(entry.name)
        if match and (int(match[2]) == os.getpid() or not psutil.pid_exists(int(match[2]))):
            delete(entry)


def delete(entry: Path) -> None:
    """Delete a folder or file as far as that can be done."""
    if entry.is_dir() and not entry.is_symlink():
        shutil.rmtree(entry, ignore_errors=True)
    else:
        entry.unlink(missing_ok=True)
