"""The rows of the list: chats under headings, or what a search found."""

from dataclasses import dataclass
from datetime import datetime

from PySide6.QtCore import QAbstractListModel, QModelIndex, QPersistentModelIndex, Qt, Signal

from app.chats.model import Chat
from app.chats.search import Hit
from app.ui.language import translate

Index = QModelIndex | QPersistentModelIndex

ROW = Qt.ItemDataRole.UserRole


@dataclass(frozen=True)
class Row:
    """A heading, or a chat; `message` and `excerpt` say what a search found in it."""

    text: str
    chat: Chat | None = None
    message: int | None = None
    excerpt: str = ""


def grouped(chats: list[Chat], now: datetime) -> list[Row]:
    """Chats as they come, under the headings Pinned, Today, Yesterday and Earlier."""
    rows: list[Row] = []
    heading = ""
    for chat in chats:
        group = _group(chat, now)
        if group != heading:
            heading = group
            rows.append(Row(group))
        rows.append(Row(chat.title or translate("Chats", "New chat"), chat))
    return rows


def found(hits: list[Hit]) -> list[Row]:
    """What a search found, under a heading that says how much that is."""
    count = len(hits)
    heading = Row(translate("Chats", "%n chat(s) found", "", count) if count else translate("Chats", "Nothing found"))
    return [heading, *(Row(hit.chat.title, hit.chat, hit.message, hit.excerpt) for hit in hits)]


def _group(chat: Chat, now: datetime) -> str:
    if chat.pinned:
        return translate("Chats", "Pinned")
    days = (now.date() - datetime.fromtimestamp(chat.updated).date()).days
    if days <= 0:
        return translate("Chats", "Today")
    return translate("Chats", "Yesterday") if days == 1 else translate("Chats", "Earlier")


class ChatListModel(QAbstractListModel):
    """Signals:
    renamed: (id of a chat, its new title), typed into the list.
    """

    renamed = Signal(int, str)

    def __init__(self, parent=None):
        super().__init__(parent)
        self.rows: list[Row] = []

    def show_rows(self, rows: list[Row]) -> None:
        """Show these in the place of others."""
        self.beginResetModel()
        self.rows = rows
        self.endResetModel()

    def index_of(self, chat_id: int) -> QModelIndex:
        """Where a chat is; not valid where it is not shown."""
        for number, row in enumerate(self.rows):
            if row.chat is not None and row.chat.id == chat_id:
                return self.index(number)
        return QModelIndex()

    def rowCount(self, parent: Index | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self.rows)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole):
        row = self.rows[index.row()]
        if role == ROW:
            return row
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.EditRole):
            return row.text
        if role == Qt.ItemDataRole.ToolTipRole and row.chat is not None:
            used = datetime.fromtimestamp(row.chat.updated).strftime("%Y-%m-%d %H:%M")
            return row.text + "\n" + self.tr("Last used {when}").format(when=used)
        if role == Qt.ItemDataRole.AccessibleTextRole and row.chat is not None:
            said = self.tr("{title}, pinned").format(title=row.text) if row.chat.pinned else row.text
            return f"{said}. {row.excerpt}" if row.excerpt else said
        return None

    def setData(self, index: Index, value, role: int = Qt.ItemDataRole.EditRole) -> bool:  # noqa: N802
        chat, title = self.rows[index.row()].chat, " ".join(str(value).split())
        if chat is None or not title or title == chat.title:
            return False
        self.renamed.emit(chat.id, title)
        return True

    def flags(self, index: Index) -> Qt.ItemFlag:
        if self.rows[index.row()].chat is None:
            return Qt.ItemFlag.NoItemFlags
        return Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemIsEditable
