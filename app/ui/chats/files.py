"""Chats into files and out of them, through the system's file dialogs."""

import re
from pathlib import Path

from PySide6.QtCore import QObject, QStandardPaths, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QFileDialog, QWidget

from app.chats.errors import StoreError
from app.chats.exchange import as_json, as_markdown, import_file
from app.chats.model import Chat
from app.chats.store import Store
from app.ui.notify import NoticeBar


class ChatFiles(QObject):
    """Signals:
    imported: the chats that were added.
    """

    imported = Signal(object)

    def __init__(self, store: Store, notice: NoticeBar, parent: QWidget):
        super().__init__(parent)
        self._store, self._notice, self._parent = store, notice, parent

    def export_markdown(self, chat: Chat) -> None:
        """Ask where to, and write the shown branch of a chat."""
        path = self._ask_where(chat.name, ".md", self.tr("Markdown (*.md)"))
        if path is not None:
            self._write(path, lambda: as_markdown(chat, self._store.conversation(chat.id).turns))

    def copy_markdown(self, chat: Chat) -> None:
        """Put the shown branch of a chat into the clipboard."""
        try:
            text = as_markdown(chat, self._store.conversation(chat.id).turns)
        except StoreError as error:
            self._notice.error(str(error))
            return
        QGuiApplication.clipboard().setText(text)
        self._notice.info(self.tr("“{name}” is in the clipboard.").format(name=chat.name))

    def export_json(self, chats: list[Chat], name: str) -> None:
        """Ask where to, and write chats whole."""
        path = self._ask_where(name, ".json", self.tr("Chats (*.json)"))
        if path is not None:
            self._write(path, lambda: as_json(self._store, chats))

    def import_chats(self) -> None:
        """Ask for a file and add its chats."""
        name, _ = QFileDialog.getOpenFileName(
            self._parent, self.tr("Import chats"), _documents(), self.tr("Chats (*.json)")
        )
        if not name:
            return
        try:
            chats = import_file(self._store, Path(name))
        except StoreError as error:
            self._notice.error(str(error))
            return
        count = len(chats)
        self.imported.emit(chats)
        self._notice.info(self.tr("%n chat(s) were imported.", "", count))

    def _ask_where(self, name: str, ending: str, kind: str) -> Path | None:
        plain = re.sub(r"[^\w\- ]+", "", name).strip()[:60] or "chat"
        start = str(Path(_documents()) / f"{plain}{ending}")
        chosen, _ = QFileDialog.getSaveFileName(self._parent, self.tr("Export"), start, kind)
        if not chosen:
            return None
        return Path(chosen) if Path(chosen).suffix else Path(chosen + ending)

    def _write(self, path: Path, text) -> None:
        # Beside the old file first: a full disk must not cost what was there.
        part = path.with_name(path.name + ".part")
        try:
            part.write_text(text(), encoding="utf-8")
            part.replace(path)
        except StoreError as error:
            self._notice.error(str(error))
        except OSError as error:
            part.unlink(missing_ok=True)
            reason = error.strerror or type(error).__name__
            self._notice.error(
                self.tr("{path} cannot be written ({reason}): choose another place.").format(path=path, reason=reason)
            )
        else:
            self._notice.info(self.tr("Saved as {path}.").format(path=path))


def _documents() -> str:
    return QStandardPaths.writableLocation(QStandardPaths.StandardLocation.DocumentsLocation)
