"""The program's log, started for one test."""

import contextlib
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

from app.diagnostics import log


@contextlib.contextmanager
def started_log(home: Path) -> Iterator[Callable[[], str]]:
    """Starts the log in a home; gives what reads it."""
    before = logging.getLogger().handlers[:]
    log.start_log()
    yield lambda: (home / log.NAME).read_text(encoding="utf-8")
    for handler in logging.getLogger().handlers[:]:
        if handler not in before:
            logging.getLogger().removeHandler(handler)
            handler.close()
