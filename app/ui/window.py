"""The main window: joins the link to the decoder with the chat, the speed panel and the top bar."""

from itertools import pairwise

from PySide6.QtCore import QByteArray, QSettings, QSize, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QApplication, QHBoxLayout, QMainWindow, QVBoxLayout, QWidget

from app.chats.conversation import Conversation, Message
from app.chats.overflow import dropped_said
from app.engine.link import EngineLink
from app.engine.worker import Phase
from app.hardware import MemoryReading
from app.settings.values import ChatSettings
from app.ui import shortcuts
from app.ui.chat.context import ContextWatch
from app.ui.chat.drafts import Drafts
from app.ui.chat.message import ReplyMessage
from app.ui.chat.pane import ChatPane
from app.ui.settings.dialog import SettingsDialog
from app.ui.settings.preferences import Preferences
from app.ui.speed.meter import summary
from app.ui.speed.panel import SpeedPanel
from app.ui.theme import Theme
from app.ui.topbar import TopBar
from s3d_core.stats import ModelInfo, Round, Totals

NARROW = 900
SAMPLING = ChatSettings(seed=0).sampling()

_WHY_NOT = {
    Phase.FETCHING: "The model is being fetched …",
    Phase.EMPTY: "Choose a model at the top to start",
}
_STOPS = dict.fromkeys((Phase.STARTING, Phase.LOADING, Phase.MEASURING), "Stop loading") | {
    Phase.FETCHING: "Stop fetching"
}


class Window(QMainWindow):
    """The window owns nothing of the decoder: it asks `link`, and shows what comes back.

    Signals:
        closed: the window is closed and the decoder's thread has ended.
        unforeseen: a sentence about an error nobody caught; may be emitted from any thread.
    """

    closed = Signal()
    unforeseen = Signal(str)

    def __init__(
        self,
        application: QApplication,
        link: EngineLink,
        settings: QSettings | None = None,
        preferences: Preferences | None = None,
    ):
        super().__init__()
        self.setWindowTitle("S3D Chat")
        self.setObjectName("MainWindow")
        self.link = link
        self.conversation = Conversation()
        self._settings = settings
        self.preferences = preferences or Preferences()
        self._look = self.preferences.settings.appearance
        self._theme = Theme(application, self._look.theme, self)
        self._theme.set_font_size(self._look.font_size)
        self._reply: ReplyMessage | None = None
        self._replaced: Message | None = None
        self._retry = 0
        self._told_dropped = 0
        self._settings_dialog: SettingsDialog | None = None
        self._panel_wish: bool | None = None
        self.topbar = TopBar(self._theme.mode)
        self.chat = ChatPane()
        self.panel = SpeedPanel(link.settings)
        self.drafts = Drafts(self.chat.composer, self)
        self.context = ContextWatch(
            link, self.chat.composer, self.preferences, lambda: self.conversation.messages(), self
        )
        self._build()
        self._connect_parts()
        self._connect_link()
        self._add_shortcuts()
        self._set_tab_order()
        self.resize(1180, 800)
        self.setMinimumSize(QSize(640, 480))
        geometry = self._stored("geometry", None)
        if isinstance(geometry, QByteArray):
            self.restoreGeometry(geometry)
        self.chat.composer.field.setFocus()
        self._on_phase(link.phase if link.phase != Phase.EMPTY else Phase.STARTING)
        if self.preferences.problem:
            self.chat.notice.info(self.preferences.problem)

    def show_memory(self, reading: MemoryReading) -> None:
        """A look at the memory."""
        self.topbar.gauge.show_reading(reading)

    @property
    def gpu_index(self) -> int:
        """The GPU the model is on, or the first."""
        device = self.link.info.device if self.link.info else ""
        return int(device.partition(":")[2] or 0) if device.startswith("cuda") else 0

    # -- building ------------------------------------------------------------------------------------------------

    def _build(self) -> None:
        whole = QWidget(objectName="Window")
        below = QHBoxLayout()
        below.setSpacing(0)
        below.addWidget(self.chat, 1)
        below.addWidget(self.panel)
        column = QVBoxLayout(whole)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.topbar)
        column.addLayout(below, 1)
        self.setCentralWidget(whole)

    def _connect_parts(self) -> None:
        self.topbar.new_chat.connect(self.new_chat)
        self.topbar.model_chosen.connect(self.link.load)
        self.topbar.theme_chosen.connect(lambda mode: self.preferences.set_look("theme", mode))
        self.topbar.settings_wanted.connect(self.show_settings)
        self.topbar.panel_toggled.connect(self._on_panel_toggled)
        self.chat.composer.sent.connect(self.send)
        self.chat.composer.stopped.connect(self.stop)
        self.chat.composer.refused.connect(self.chat.notice.error)
        self.chat.asked.connect(self.send)
        self.preferences.changed.connect(self._on_preferences)
        self.preferences.failed.connect(self.chat.notice.error)
        self.chat.retry.connect(self.link.open_first)
        self.chat.transcript.regenerate.connect(self.regenerate)
        self.panel.show_drafted.connect(self.chat.transcript.show_drafted)
        self._theme.changed.connect(self._renew)
        self.unforeseen.connect(self.chat.notice.error)

    def _connect_link(self) -> None:
        link = self.link
        link.phase_changed.connect(self._on_phase)
        link.progress.connect(self.topbar.show_progress)
        link.progress.connect(self.chat.welcome.show_progress)
        link.prefill.connect(self.topbar.show_prefill)
        link.models_listed.connect(self.topbar.show_models)
        link.opening.connect(self.topbar.show_model)
        link.loaded.connect(self._on_loaded)
        link.unloaded.connect(self._on_unloaded)
        link.plain_measured.connect(self.panel.set_plain)
        link.rounds_done.connect(self._on_rounds)
        link.finished.connect(self._on_finished)
        link.failed.connect(self._on_failed)
        link.dropped.connect(self._on_dropped)
        link.notice.connect(self.chat.notice.info)
        link.memory_changed.connect(self.topbar.gauge.show_own)
        link.closed.connect(self._on_link_closed)

    def _add_shortcuts(self) -> None:
        shortcuts.install(
            self,
            {
                "new": self.new_chat,
                "settings": self.show_settings,
                "message": self.chat.composer.field.setFocus,
                "attach": self.chat.composer.choose_files,
                "stop": self.stop,
                "copy": self.copy_last,
                "again": self.regenerate,
                "panel": self.topbar.panel.click,
                "quit": self.close,
            },
        )

    def _set_tab_order(self) -> None:
        bar, panel, composer = self.topbar, self.panel, self.chat.composer
        order = [
            composer.field,
            composer.attach,
            composer.button,
            bar.new,
            bar.models,
            bar.panel,
            bar.menu,
            panel.drafting,
        ]
        order += [part.slider for part in (panel.skipped, panel.draft_length, panel.tree_size, panel.exactness)]
        order += [panel.colouring, self.chat.transcript]
        for before, after in pairwise(order):
            QWidget.setTabOrder(before, after)

    # -- what the user does --------------------------------------------------------------------------------------

    def send(self, text: str) -> None:
        """Ask the model."""
        if self.link.phase != Phase.READY:
            return
        self.chat.notice.hide()
        self.chat.composer.clear()
        self.conversation.add_user(text)
        self.chat.show_conversation(True)
        self.chat.transcript.add_user(text)
        self._replaced = None
        self._retry = 0
        self._ask()

    def regenerate(self) -> None:
        """Write the last reply again, with another seed."""
        if self.link.phase != Phase.READY or not self.conversation.can_regenerate:
            return
        self.chat.notice.hide()
        self._replaced = self.conversation.take_last()
        self.chat.transcript.take_last()
        self._retry += 1
        self._ask()

    def stop(self) -> None:
        """Stop what runs."""
        if self.link.busy:
            self.link.stop()
            self.topbar.show_stopping()

    def copy_last(self) -> None:
        """Put the last answer into the clipboard."""
        replies = [turn.text for turn in self.conversation.turns if turn.role == "assistant" and turn.text]
        if replies:
            QGuiApplication.clipboard().setText(replies[-1])
            self.chat.notice.info("The last answer is in the clipboard.")

    def show_settings(self) -> None:
        """Open the settings beside the window."""
        if self._settings_dialog is None:
            self._settings_dialog = SettingsDialog(self.preferences, self)
        self._settings_dialog.show()
        self._settings_dialog.raise_()
        self._settings_dialog.activateWindow()

    def new_chat(self) -> None:
        """Begin an empty conversation; an answer being written is stopped."""
        self.stop()
        self._reply = None
        self.conversation = Conversation()
        self._told_dropped = 0
        self.preferences.show_chat()
        self.context.renew()
        self.chat.transcript.clear()
        self.chat.show_conversation(False)
        self.chat.notice.hide()
        self.panel.start_reply()
        self.chat.composer.field.setFocus()

    def _ask(self) -> None:
        messages = self.conversation.messages()
        self.conversation.start_reply()
        self._reply = self.chat.transcript.add_reply()
        self.panel.start_reply()
        preferences = self.preferences
        self.link.ask(preferences.prompted(messages), preferences.sampling(self._retry), preferences.plan)

    # -- what the decoder tells ----------------------------------------------------------------------------------

    def _on_phase(self, phase: str) -> None:
        self.topbar.show_phase(phase)
        self.chat.welcome.show_phase(phase)
        answering = phase in Phase.ANSWERING
        # While a reply of a dropped conversation still ends, nothing can be sent.
        why_not = _WHY_NOT.get(phase, "The model is loading …")
        self.chat.composer.set_state(phase == Phase.READY, answering, why_not, _STOPS.get(phase, ""))

    def _on_loaded(self, info: ModelInfo) -> None:
        self.panel.show_model(info)
        self.topbar.show_model(info.path)
        self.chat.welcome.show_model(info)

    def _on_unloaded(self) -> None:
        self.panel.forget_model()
        self.topbar.show_model(None)
        self.chat.welcome.show_model(None)

    def _on_rounds(self, rounds: list[Round]) -> None:
        if self._reply is None:
            return
        pieces = [piece for done in rounds for piece in done.pieces if piece[0]]
        if pieces:
            self.conversation.extend_reply(pieces)
            self._reply.extend(pieces)
        self.panel.add_rounds(rounds)

    def _on_dropped(self, dropped: int) -> None:
        if dropped != self._told_dropped:
            self.chat.notice.info(dropped_said(dropped))
        self._told_dropped = dropped

    def _on_finished(self, totals: Totals) -> None:
        if self._reply is None:
            return
        self.panel.finish_reply(totals)
        if self.conversation.turns[-1].text or totals.stop_reason != "cancelled":
            self._reply.finish(summary(totals) or "The model had nothing to say")
            self._reply = None
        else:
            self._undo_empty_reply()

    def _on_failed(self, kind: str, sentence: str) -> None:
        if kind == "answer" and self._reply is not None:
            if self.conversation.turns[-1].text:
                self._reply.finish("ended by an error")
                self._reply = None
            else:
                self._undo_empty_reply()
        if self.link.info is None and kind in ("fetch", "load"):
            self.chat.welcome.show_failure(sentence)
        in_chat = bool(self.conversation.turns)
        if kind == "fetch" and not in_chat:
            return
        retry = self.link.open_first if kind in ("fetch", "load") and self.link.info is None else None
        self.chat.notice.error(sentence, "Retry" if retry else "", retry)

    def _on_link_closed(self) -> None:
        self.closed.emit()
        self.close()

    # -- inside --------------------------------------------------------------------------------------------------

    def _undo_empty_reply(self) -> None:
        """A reply without a letter goes; what it stood for comes back."""
        self._reply = None
        self.conversation.take_last()
        self.chat.transcript.take_last()
        if self._replaced is not None:
            self.conversation.put_back(self._replaced)
            reply = self.chat.transcript.add_reply()
            reply.extend(self._replaced.pieces)
            reply.finish("")
            self._replaced = None
        elif not self.chat.composer.text.strip():
            self.chat.composer.set_text(self.conversation.take_last().text)
            self.chat.transcript.take_last()
            self.chat.show_conversation(bool(self.conversation.turns))

    def _on_preferences(self) -> None:
        look = self.preferences.settings.appearance
        if look == self._look:
            return
        self._look = look
        self._theme.set_mode(look.theme)
        self._theme.set_font_size(look.font_size)
        self.topbar.show_theme(look.theme)

    def _renew(self) -> None:
        for part in (self.topbar, self.chat, self.panel):
            part.renew()
        if self._settings_dialog is not None:
            self._settings_dialog.renew()

    def _on_panel_toggled(self, shown: bool) -> None:
        self._panel_wish = shown
        self.panel.setVisible(shown)

    def _fit_panel(self) -> None:
        shown = self.width() >= NARROW if self._panel_wish is None else self._panel_wish
        self.panel.setVisible(shown)
        self.topbar.panel.setChecked(shown)

    def resizeEvent(self, event) -> None:
        super().resizeEvent(event)
        if (event.oldSize().width() >= NARROW) != (event.size().width() >= NARROW):
            self._panel_wish = None
        self._fit_panel()

    def closeEvent(self, event) -> None:
        """The window goes at once; the program ends when the decoder's thread has."""
        if self.link.is_closed:
            event.accept()
            return
        event.ignore()
        self._store("geometry", self.saveGeometry())
        if self._settings_dialog is not None:
            self._settings_dialog.close()
        self.preferences.flush()
        self.drafts.flush()
        self.hide()
        self.link.close()

    def _stored(self, name: str, default):
        return self._settings.value(name, default) if self._settings is not None else default

    def _store(self, name: str, value) -> None:
        if self._settings is not None:
            self._settings.setValue(name, value)
