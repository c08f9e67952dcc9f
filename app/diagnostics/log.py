"""The log: warnings and worse, in two files of at most a megabyte in the user's data folder."""

import logging
import logging.handlers
import os
from pathlib import Path

from app.diagnostics.private import private
from app.models.places import data_dir

NAME = "s3d-chat.log"
MOST_BYTES = 1_000_000


def start_log() -> None:
    """Warnings and worse go to a file in the user's data folder; where that cannot be written, to stderr."""
    try:
        data_dir().mkdir(parents=True, exist_ok=True)
        _listen(LogFile(data_dir() / NAME))
    except OSError:
        log_to_terminal()


def log_to_terminal() -> None:
    """Warnings and worse go to stderr, which a system may keep: as clean as in the file."""
    _listen(logging.StreamHandler())


def _listen(handler: logging.Handler) -> None:
    handler.setFormatter(Scrubbed("%(asctime)s %(levelname)s %(threadName)s %(name)s: %(message)s"))
    handler.setLevel(logging.WARNING)
    logging.getLogger().addHandler(handler)


def tail(most: int = 40_000) -> str:
    """The last `most` characters of the log, from the start of a line; empty where there is none."""
    text = ""
    for file in (data_dir() / f"{NAME}.1", data_dir() / NAME):
        try:
            text += file.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
    return text if len(text) <= most else text[-most:].partition("\n")[2]


class LogFile(logging.handlers.RotatingFileHandler):
    """A file for its owner alone. A disk that is full costs lines of the log and nothing else."""

    def __init__(self, path: Path):
        super().__init__(path, maxBytes=MOST_BYTES, backupCount=1, encoding="utf-8", delay=True)

    def _open(self):
        return open(
            self.baseFilename,
            self.mode,
            encoding=self.encoding,
            errors="replace",
            opener=lambda path, flags: os.open(path, flags, 0o600),
        )

    def handleError(self, record) -> None:  # noqa: N802
        """Say nothing: there is no better place to say it."""


class Scrubbed(logging.Formatter):
    """Lines without chats and tokens, whatever an error quotes."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, with its traceback."""
        return private.scrub(super().format(record))
