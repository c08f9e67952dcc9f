"""What is written but not sent, kept for each chat."""

from PySide6.QtCore import QObject, Signal

from app.attach.read import Attachment
from app.chats.errors import StoreError
from app.chats.store import Store
from app.ui.chat.composer import Composer


class Drafts(QObject):
    """Keeps what the composer holds when another chat is shown, and a moment after each key.

    Files are kept while the program runs: they lie on the disk anyway.

    Signals:
        troubled: a sentence; a draft could not be kept.
    """

    troubled = Signal(str)

    def __init__(self, composer: Composer, parent: QObject | None = None):
        super().__init__(parent)
        self._composer = composer
        self._store: Store | None = None
        self._chat_id = 0
        self._files: dict[int, list[Attachment]] = {}
        self._kept = ""
        composer.edited.connect(self.flush)

    def show_chat(self, store: Store, chat_id: int) -> None:
        """Another chat is shown: its draft comes into the composer. What was written before is kept by `flush`.

        Raises:
            StoreError: with a sentence.
        """
        self._store, self._chat_id = store, chat_id
        self._kept = store.draft(chat_id)
        self._composer.set_text(self._kept)
        self._composer.chips.set_files(self._files.get(chat_id, []))

    def flush(self) -> None:
        """Keep what is written now."""
        if self._store is None:
            return
        text, self._files[self._chat_id] = self._composer.text, self._composer.chips.files
        if text != self._kept:
            try:
                self._store.set_draft(self._chat_id, text)
                self._kept = text
            except StoreError as error:
                self.troubled.emit(str(error))
