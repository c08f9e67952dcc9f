"""The chats: a list to choose from, to search, to rename, pin and delete in."""

from datetime import datetime
from functools import partial

from PySide6.QtCore import QModelIndex, QPoint, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFrame,
    QHBoxLayout,
    QListView,
    QMenu,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.chats.errors import StoreError
from app.chats.exchange import duplicate
from app.chats.model import Chat
from app.chats.search import search
from app.chats.store import Store
from app.ui.chats.delegate import ChatDelegate
from app.ui.chats.files import ChatFiles
from app.ui.chats.model import ROW, ChatListModel, Row, found, grouped
from app.ui.chats.search_field import SearchField
from app.ui.icons import icon
from app.ui.notify import NoticeBar

WIDTH = 250
_SEARCH_AFTER_MS = 150
_MOST_DELETED = 15


class Sidebar(QFrame):
    """Signals:
    new_chat: an empty chat is wanted.
    chosen: (id of a chat, id of a message in it or 0).
    deleted: the id of a chat that was just deleted.
    left: the keyboard is wanted elsewhere.
    found: a word that a search found in the message just opened, or "" once the search is over.
    """

    new_chat = Signal()
    chosen = Signal(int, int)
    deleted = Signal(int)
    left = Signal()
    found = Signal(str)

    def __init__(self, store: Store, notice: NoticeBar, parent=None):
        super().__init__(parent)
        self.setObjectName("Sidebar")
        self.setFixedWidth(WIDTH)
        self._store, self._notice = store, notice
        self._current = 0
        self._files = ChatFiles(store, notice, self)
        self._files.imported.connect(self._on_imported)
        self.search = SearchField()
        self._typed = QTimer(self, interval=_SEARCH_AFTER_MS, singleShot=True)
        self._typed.timeout.connect(self.refresh)
        self.search.textChanged.connect(self._on_typed)
        self.search.returnPressed.connect(self._open_first)
        self.search.left.connect(self.left)
        self.menu = QToolButton(toolTip=self.tr("Import, export, deleted chats"), accessibleName=self.tr("Chats menu"))
        self.menu.setIconSize(QSize(18, 18))
        self.menu.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.menu.setMenu(QMenu(self))
        self.menu.menu().aboutToShow.connect(self._fill_menu)
        self.model = ChatListModel(self)
        self.model.renamed.connect(self._rename)
        self.list = QListView(objectName="ChatList")
        self.list.setModel(self.model)
        self.list.setItemDelegate(ChatDelegate(self.list))
        self.list.setMouseTracking(True)
        self.list.setAccessibleName(self.tr("Chats"))
        self.list.setToolTip(self.tr("Enter opens, F2 renames, Delete deletes"))
        self.list.setEditTriggers(QAbstractItemView.EditTrigger.EditKeyPressed)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.list.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.list.customContextMenuRequested.connect(self._show_context_menu)
        self.list.clicked.connect(self._open)
        self.list.activated.connect(self._open_and_leave)
        self.search.down.connect(self._go_into_list)
        delete = QAction(self.tr("Delete"), self.list, shortcut=QKeySequence(QKeySequence.StandardKey.Delete))
        delete.setShortcutContext(Qt.ShortcutContext.WidgetShortcut)
        delete.triggered.connect(self._delete_chosen)
        self.list.addAction(delete)
        row = QHBoxLayout()
        row.setSpacing(4)
        row.addWidget(self.search, 1)
        row.addWidget(self.menu)
        column = QVBoxLayout(self)
        column.setContentsMargins(10, 10, 8, 8)
        column.setSpacing(6)
        column.addLayout(row)
        column.addWidget(self.list, 1)
        self.renew()
        self.refresh()

    def refresh(self) -> None:
        """Read the chats again."""
        try:
            text = self.search.text()
            if text.strip():
                rows = found(search(self._store, text))
            else:
                rows = grouped(self._store.chats(), datetime.now())
        except StoreError as error:
            self._notice.error(str(error))
            return
        if rows != self.model.rows and self.list.state() != QAbstractItemView.State.EditingState:
            self.model.show_rows(rows)
        self.show_current(self._current)

    def stop(self) -> None:
        """Search no more for what was typed last: the store is about to be closed."""
        self._typed.stop()

    def show_current(self, chat_id: int) -> None:
        """Mark the chat that is open."""
        self._current = chat_id
        self.list.setCurrentIndex(self.model.index_of(chat_id))

    def renew(self) -> None:
        """Take the theme's present colours."""
        self.menu.setIcon(icon("menu"))
        self.search.update()
        self.list.viewport().update()

    def start_search(self) -> None:
        """Put the cursor into the search field."""
        self.search.setFocus()
        self.search.selectAll()

    def delete(self, chat: Chat) -> None:
        """Delete a chat, and offer to bring it back."""
        if self._do(partial(self._store.delete, chat.id)):
            self.deleted.emit(chat.id)
            self._notice.offer(
                self.tr("“{name}” is deleted.").format(name=chat.name), self.tr("Undo"), partial(self.restore, chat.id)
            )

    def restore(self, chat_id: int) -> None:
        """Bring a deleted chat back and open it."""
        if self._do(partial(self._store.restore, chat_id)):
            self.chosen.emit(chat_id, 0)

    def duplicate(self, chat: Chat) -> None:
        """Make a second chat of one, and open it."""
        made: list[Chat] = []
        title = self.tr("{name} (copy)").format(name=chat.name)
        if self._do(lambda: made.append(duplicate(self._store, chat, title))):
            self.chosen.emit(made[0].id, 0)

    def set_pinned(self, chat: Chat, pinned: bool) -> None:
        """Keep a chat at the top, or do so no longer."""
        self._do(partial(self._store.set_pinned, chat.id, pinned))

    # -- inside --------------------------------------------------------------------------------------------------

    def _on_typed(self, text: str) -> None:
        self._typed.start()
        if not text:
            self.found.emit("")

    def _delete_chosen(self) -> None:
        row: Row | None = self.list.currentIndex().data(ROW)
        if row is not None and row.chat is not None:
            self.delete(row.chat)

    def _open(self, index) -> None:
        row: Row = index.data(ROW)
        if row.chat is not None:
            self.chosen.emit(row.chat.id, row.message or 0)
            if row.message:
                self.found.emit(max(self.search.text().split(), key=len, default=""))

    def _open_and_leave(self, index) -> None:
        self._open(index)
        self.left.emit()

    def _go_into_list(self) -> None:
        """What Enter opens there is marked: the chat shown, or the first where that is not among those found."""
        first = self._first()
        current = self.list.currentIndex().data(ROW)
        if first is not None and (current is None or current.chat is None):
            self.list.setCurrentIndex(first)
        self.list.setFocus()

    def _open_first(self) -> None:
        first = self._first()
        if first is not None:
            self._open_and_leave(first)

    def _first(self) -> QModelIndex | None:
        """The first chat of the list as it is for what was typed; None where there is none."""
        self._typed.stop()
        self.refresh()
        return next((self.model.index(n) for n, row in enumerate(self.model.rows) if row.chat is not None), None)

    def _rename(self, chat_id: int, title: str) -> None:
        # The view is still busy with its editor.
        QTimer.singleShot(0, self, lambda: self._do(partial(self._store.rename, chat_id, title)))

    def _do(self, change) -> bool:
        try:
            change()
        except StoreError as error:
            self._notice.error(str(error))
            return False
        self.refresh()
        return True

    def _on_imported(self, chats: list[Chat]) -> None:
        self.search.clear()
        self.refresh()
        if chats:
            self.chosen.emit(chats[0].id, 0)

    def _show_context_menu(self, at: QPoint) -> None:
        # The menu key asks at a place where there may be no row: it means the current one.
        index = self.list.indexAt(at)
        row: Row | None = (index if index.isValid() else self.list.currentIndex()).data(ROW)
        if row is not None and row.chat is not None:
            menu = self.menu_of(row.chat, self)
            menu.aboutToHide.connect(menu.deleteLater)
            menu.popup(self.list.viewport().mapToGlobal(at))

    def menu_of(self, chat: Chat, parent: QWidget) -> QMenu:
        """What can be done with a chat."""
        menu = QMenu(parent)
        menu.addAction(self.tr("Open"), lambda: self.chosen.emit(chat.id, 0))
        menu.addAction(self.tr("Rename (F2)"), lambda: self.list.edit(self.model.index_of(chat.id)))
        menu.addAction(
            self.tr("Unpin") if chat.pinned else self.tr("Pin"), lambda: self.set_pinned(chat, not chat.pinned)
        )
        menu.addAction(self.tr("Duplicate"), lambda: self.duplicate(chat))
        menu.addSeparator()
        menu.addAction(self.tr("Copy as Markdown"), lambda: self._files.copy_markdown(chat))
        menu.addAction(self.tr("Export as Markdown …"), lambda: self._files.export_markdown(chat))
        menu.addAction(self.tr("Export as JSON …"), lambda: self._files.export_json([chat], chat.name))
        menu.addSeparator()
        menu.addAction(self.tr("Delete"), lambda: self.delete(chat))
        return menu

    def _fill_menu(self) -> None:
        menu = self.menu.menu()
        menu.clear()
        for old in menu.findChildren(QMenu):
            old.deleteLater()
        menu.addAction(self.tr("New chat"), self.new_chat.emit)
        current = self._store.chat(self._current)
        if current is not None and self.model.index_of(current.id).isValid():
            part = self.menu_of(current, menu)
            part.setTitle(self.tr("This chat"))
            menu.addMenu(part)
        menu.addSeparator()
        menu.addAction(self.tr("Import chats …"), self._files.import_chats)
        menu.addAction(
            self.tr("Export all chats as JSON …"), lambda: self._files.export_json(self._store.chats(), "chats")
        )
        deleted = menu.addMenu(self.tr("Deleted chats"))
        for chat in self._store.deleted_chats()[:_MOST_DELETED]:
            deleted.addAction(chat.name.replace("&", "&&"), partial(self.restore, chat.id))
        deleted.setEnabled(not deleted.isEmpty())
