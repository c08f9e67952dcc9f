"""The user's desk: the settings and the dialog that changes them, the look, drafts, the context meter."""

from PySide6.QtCore import QObject
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QApplication, QWidget

from app.chats.errors import StoreError
from app.chats.overflow import dropped_said
from app.engine.link import EngineLink
from app.settings.values import APPEARANCE
from app.ui.chat.context import ContextWatch
from app.ui.chat.drafts import Drafts
from app.ui.chat.pane import ChatPane
from app.ui.chat.session import ChatSession
from app.ui.forward import bring_forward
from app.ui.settings.dialog import SettingsDialog
from app.ui.settings.preferences import Preferences
from app.ui.theme import Theme


class Desk(QObject):
    """Attributes:
    preferences: the settings in use. theme: follows them.
    """

    def __init__(self, application: QApplication, preferences: Preferences, window: QWidget):
        super().__init__(window)
        self.preferences = preferences
        self._look = preferences.settings.appearance
        self.theme = Theme(application, self._look.theme, self)
        self.theme.set_font_size(self._look.font_size)
        self._window = window
        self._dialog: SettingsDialog | None = None
        self._told_dropped = 0

    def connect_chat(self, link: EngineLink, chat: ChatPane, session: ChatSession) -> None:
        """Take care of the composer, and of what each chat has of its own."""
        self._chat, self._session, self._link = chat, session, link
        link.set_precision(self.preferences.settings.running.precision)
        self.preferences.changed.connect(self._on_changed)
        self._drafts = Drafts(chat.composer, self)
        self._context = ContextWatch(link, chat.composer, self.preferences, session, self)
        self._drafts.troubled.connect(chat.notice.error)
        chat.composer.refused.connect(chat.notice.error)
        chat.composer.tune_wanted.connect(lambda: self.show_settings(only_this=True))
        self.preferences.failed.connect(chat.notice.error)
        session.leaving.connect(lambda chat_id: self._drafts.flush())
        session.opened.connect(self._open_chat)
        link.dropped.connect(self._on_dropped)
        self._open_chat(session.conversation.chat_id)
        if self.preferences.problem:
            chat.notice.info(self.preferences.problem)

    def prepare(self, chat_id: int, messages: list[dict], attempt: int) -> tuple:
        """What `EngineLink.ask` is given for the chat shown; a fixed seed moves on with every attempt."""
        preferences = self.preferences
        return preferences.prompted(messages), preferences.sampling(attempt), preferences.plan

    def show_settings(self, only_this: bool = False) -> None:
        """Open the settings beside the window: those of all chats, or those of the chat that is shown."""
        if self._dialog is None:
            self._dialog = SettingsDialog(self.preferences, self._window, self._link)
            self.theme.changed.connect(self._dialog.renew)
        self._dialog.show_scope(only_this)
        bring_forward(self._dialog)

    def set_theme(self, mode: str) -> None:
        """One of `MODES`."""
        self.preferences.set_look("theme", mode)

    def zoom(self, step: int) -> None:
        """Make all text so many points larger, within the bounds of the setting; 0 is the system's size again."""
        size = APPEARANCE["font_size"]
        points = round(QApplication.font().pointSizeF()) + step
        self.preferences.set_look("font_size", int(min(max(points, size.low), size.high)) if step else None)

    def copy_last(self) -> None:
        """Put the last answer into the clipboard."""
        replies = [turn.text for turn in self._session.conversation.turns if turn.role == "assistant" and turn.text]
        if replies:
            QGuiApplication.clipboard().setText(replies[-1])
            self._chat.notice.info(self.tr("The last answer is in the clipboard."))

    def close(self) -> None:
        """Keep what is not kept yet."""
        if self._dialog is not None:
            self._dialog.close()
        self.preferences.flush()
        self._drafts.flush()

    # -- inside --------------------------------------------------------------------------------------------------

    def _open_chat(self, chat_id: int) -> None:
        self._told_dropped = 0
        try:
            self.preferences.show_chat(self._session.store, chat_id)
            self._drafts.show_chat(self._session.store, chat_id)
        except StoreError as error:
            self._chat.notice.error(str(error))
        self._context.renew()

    def _on_changed(self) -> None:
        self._chat.composer.show_tuned(bool(self.preferences.own))
        self._link.set_precision(self.preferences.settings.running.precision)
        look = self.preferences.settings.appearance
        if look != self._look:
            self._look = look
            self.theme.set_mode(look.theme)
            self.theme.set_font_size(look.font_size)

    def _on_dropped(self, dropped: int) -> None:
        if dropped != self._told_dropped:
            self._chat.notice.info(dropped_said(dropped))
        self._told_dropped = dropped
