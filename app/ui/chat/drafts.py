"""What is written but not sent, kept for each chat."""

from typing import Any, Protocol

from PySide6.QtCore import QObject

from app.attach.read import Attachment
from app.ui.chat.composer import Composer


class DraftStore(Protocol):
    """Where drafts are kept."""

    def draft(self, chat_id: Any) -> str:
        """What is written but not sent in a chat, or ""."""

    def set_draft(self, chat_id: Any, text: str) -> None:
        """Keep what is written."""


class Drafts(QObject):
    """Keeps what the composer holds when another chat is shown, and a moment after each key.

    Files are kept while the program runs: they lie on the disk anyway.
    """

    def __init__(self, composer: Composer, parent: QObject | None = None):
        super().__init__(parent)
        self._composer = composer
        self._store: DraftStore | None = None
        self._chat_id: Any = None
        self._files: dict[Any, list[Attachment]] = {}
        self._kept = ""
        composer.edited.connect(self.flush)

    def show_chat(self, store: DraftStore | None = None, chat_id: Any = None) -> None:
        """Another chat is shown, or one that is not kept yet: its draft comes into the composer."""
        self.flush()
        self._store, self._chat_id = store, chat_id
        self._kept = store.draft(chat_id) if store is not None and chat_id is not None else ""
        self._composer.set_text(self._kept)
        self._composer.chips.set_files(self._files.get(chat_id, []))

    def keep_chat(self, store: DraftStore, chat_id: Any) -> None:
        """The chat that is shown is kept from now on, and what is written with it."""
        self._store, self._chat_id, self._kept = store, chat_id, ""
        self.flush()

    def flush(self) -> None:
        """Keep what is written now."""
        text, files = self._composer.text, self._composer.chips.files
        if files:
            self._files[self._chat_id] = files
        else:
            self._files.pop(self._chat_id, None)
        if self._store is not None and self._chat_id is not None and text != self._kept:
            self._store.set_draft(self._chat_id, text)
            self._kept = text
