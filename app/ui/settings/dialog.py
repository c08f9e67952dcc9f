"""The settings: what is changed here holds at once."""

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QEvent, Qt
from PySide6.QtWidgets import (
    QDialog,
    QFrame,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QPushButton,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from app.engine.link import EngineLink
from app.settings.values import APPEARANCE, CHAT, Appearance, ChatSettings, Running
from app.ui.settings.keys_page import KeysPage
from app.ui.settings.model_page import ModelPage
from app.ui.settings.page import Page
from app.ui.settings.preferences import Preferences
from app.ui.settings.presets import PresetBar
from s3d_core.errors import SettingError


class SettingsDialog(QDialog):
    """Pages at the left, the chosen one at the right. The window stays usable beside it."""

    def __init__(self, preferences: Preferences, parent: QWidget | None = None, link: EngineLink | None = None):
        super().__init__(parent)
        self.setObjectName("Settings")
        self.setWindowTitle(self.tr("Settings"))
        self._preferences = preferences
        self._undo: Callable[[], None] | None = None
        self.bar = PresetBar(preferences)
        self.chat = Page(self._declared("chat"), self._set_chat, self._reset_chat)
        self.sampling = Page(self._declared("sampling"), self._set_chat, self._reset_chat)
        self.model = ModelPage(self._set_running, self._reset_running, link)
        self.appearance = Page(APPEARANCE.values(), self._set_look, self._reset_look)
        self.keys = KeysPage()
        self.pages = QListWidget(objectName="Pages", toolTip=self.tr("Pages of the settings"))
        self.pages.setAccessibleName(self.tr("Pages"))
        self.pages.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._stack = QStackedWidget()
        for name, page in (
            (self.tr("Chat"), self.chat),
            (self.tr("Sampling"), self.sampling),
            (self.tr("Model"), self.model),
            (self.tr("Appearance"), self.appearance),
            (self.tr("Shortcuts"), self.keys),
        ):
            page.setAccessibleName(name)
            self.pages.addItem(name)
            self._stack.addWidget(page)
        self.pages.currentRowChanged.connect(self._on_page)
        self._said = QLabel(wordWrap=True)
        self._said.setProperty("muted", True)
        self.undo = QPushButton(self.tr("Undo"), toolTip=self.tr("Take that back"), autoDefault=False)
        self.undo.clicked.connect(self._on_undo)
        self.done_button = QPushButton(self.tr("Close"), toolTip=self.tr("Close the settings"), autoDefault=False)
        self.done_button.clicked.connect(self.close)
        self._lay_out()
        self.bar.said.connect(self.say)
        self.bar.scope_changed.connect(self._show_values)
        preferences.changed.connect(self._show_values)
        preferences.failed.connect(self.say)
        self.pages.setCurrentRow(0)
        self.say("")
        self.renew()
        self._show_values()
        # Other languages' buttons may take more room.
        self.resize(max(760, self.pages.width() + self.bar.sizeHint().width()), 620)
        self.setMinimumSize(560, 380)

    def show_scope(self, only_this: bool) -> None:
        """Show the settings of all chats, or of the chat that is shown."""
        self.bar.scope.setCurrentIndex(self.bar.scope.findData(only_this))
        if only_this and self._stack.currentWidget() not in (self.chat, self.sampling):
            self.pages.setCurrentRow(0)

    @property
    def said(self) -> str:
        """The sentence at the foot."""
        return self._said.text()

    def say(self, sentence: str, undo: Callable[[], None] | None = None) -> None:
        """Show a sentence at the foot, with a button that takes it back where that can be done."""
        self._said.setText(sentence)
        self._undo = undo
        self.undo.setVisible(undo is not None)

    def renew(self) -> None:
        """Take the theme's present colours and fonts."""
        self.pages.ensurePolished()
        self.pages.doItemsLayout()
        self.pages.setFixedWidth(max(150, self.pages.sizeHintForColumn(0) + 34))
        for page in (self.chat, self.sampling, self.model, self.appearance):
            page.renew()

    def hideEvent(self, event) -> None:
        """What was typed last counts too."""
        super().hideEvent(event)
        for page in (self.chat, self.sampling, self.appearance):
            page.flush()
        self._preferences.flush()

    # -- inside --------------------------------------------------------------------------------------------------

    def _lay_out(self) -> None:
        right = QVBoxLayout()
        right.setSpacing(0)
        right.addWidget(self.bar)
        right.addWidget(self._stack, 1)
        above = QHBoxLayout()
        above.setSpacing(0)
        above.addWidget(self.pages)
        above.addLayout(right, 1)
        foot = QHBoxLayout()
        foot.setContentsMargins(22, 10, 22, 12)
        foot.addWidget(self._said, 1)
        foot.addWidget(self.undo)
        foot.addWidget(self.done_button)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.setSpacing(0)
        whole.addLayout(above, 1)
        whole.addWidget(QFrame(objectName="Separator"))
        whole.addLayout(foot)

    def _declared(self, page: str) -> list[Any]:
        return [declared for declared in CHAT.values() if declared.page == page]

    def _on_page(self, row: int) -> None:
        self._stack.setCurrentIndex(row)
        self.bar.setVisible(self._stack.currentWidget() in (self.chat, self.sampling))

    def _show_values(self) -> None:
        preferences = self._preferences
        only_this, look = self.bar.only_this, preferences.settings.appearance
        shown = preferences.chat if only_this else preferences.settings.chat
        usual = ChatSettings()

        def is_usual(name: str) -> bool:
            return name not in preferences.own if only_this else getattr(shown, name) == getattr(usual, name)

        for page in (self.chat, self.sampling):
            page.show_values(shown, is_usual)
        self.appearance.show_values(look, lambda name: getattr(look, name) == getattr(Appearance(), name))
        running = preferences.settings.running
        self.model.show_values(running, lambda name: getattr(running, name) == getattr(Running(), name))
        self.bar.show_presets()

    def _set_chat(self, name: str, value: Any) -> None:
        self._try(lambda: self._preferences.set_chat(name, value, self.bar.only_this))

    def _reset_chat(self, name: str) -> None:
        self._preferences.reset_chat(name, self.bar.only_this)

    def _set_running(self, name: str, value: Any) -> None:
        self._try(lambda: self._preferences.set_running(name, value))

    def _reset_running(self, name: str) -> None:
        self._preferences.set_running(name, getattr(Running(), name))

    def _set_look(self, name: str, value: Any) -> None:
        self._try(lambda: self._preferences.set_look(name, value))

    def _reset_look(self, name: str) -> None:
        self._preferences.set_look(name, getattr(Appearance(), name))

    def _try(self, do: Callable[[], None]) -> None:
        try:
            do()
            self.say("")
        except SettingError as error:
            self.say(str(error))

    def _on_undo(self) -> None:
        if self._undo is not None:
            self._undo()
        self.say("")

    def event(self, event) -> bool:
        # Else Escape would reach the window's shortcut, which stops the answer and leaves the dialog open.
        if event.type() == QEvent.Type.ShortcutOverride and event.key() == Qt.Key.Key_Escape:
            event.accept()
            return True
        return super().event(event)

    def keyPressEvent(self, event) -> None:
        # A dialog closes on Return; here it ends the typing of a number.
        if event.key() not in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            super().keyPressEvent(event)
