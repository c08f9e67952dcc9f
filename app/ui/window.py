"""The main window: joins the link to the decoder with the chat, the speed panel and the top bar."""

from dataclasses import replace
from itertools import pairwise

from PySide6.QtCore import QByteArray, QSettings, QSize, Signal
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QApplication, QHBoxLayout, QMainWindow, QVBoxLayout, QWidget

from app.chats.conversation import Conversation, Message
from app.engine.link import EngineLink
from app.engine.worker import Phase
from app.hardware import MemoryReading
from app.server.switch import Switch
from app.ui.chat.message import ReplyMessage
from app.ui.chat.pane import ChatPane
from app.ui.server.dialog import ServerDialog
from app.ui.speed.meter import summary
from app.ui.speed.panel import SpeedPanel
from app.ui.theme import Theme
from app.ui.topbar import TopBar
from app.ui.training.dialog import TrainingDialog
from s3d_core.settings import SamplingSettings
from s3d_core.stats import ModelInfo, Round, Totals

NARROW = 900
# Top-p would sort the whole vocabulary for every token, which costs more than it shapes at this temperature.
SAMPLING = SamplingSettings(temperature=0.2, top_k=40, min_p=0.05, max_tokens=1024)

_WHY_NOT = {
    Phase.FETCHING: "The model is being fetched …",
    Phase.COMPARING: "Measuring plain against drafted …",
    Phase.EMPTY: "Choose a model at the top to start",
}


class Window(QMainWindow):
    """The window owns nothing of the decoder: it asks `link`, and shows what comes back.

    Signals:
        closed: the window is closed and the decoder's thread has ended.
        unforeseen: a sentence about an error nobody caught; may be emitted from any thread.
    """

    closed = Signal()
    unforeseen = Signal(str)

    def __init__(self, application: QApplication, link: EngineLink, settings: QSettings | None = None):
        super().__init__()
        self.setWindowTitle("S3D Chat")
        self.setObjectName("MainWindow")
        self.link = link
        self.conversation = Conversation()
        self._settings = settings
        self._theme = Theme(application, self._stored("theme", "system"), self)
        self._reply: ReplyMessage | None = None
        self._replaced: Message | None = None
        self._seed = 0
        self._panel_wish: bool | None = None
        self.training: TrainingDialog | None = None
        self.topbar = TopBar(self._theme.mode)
        self.chat = ChatPane()
        self.panel = SpeedPanel(link.settings)
        self.server = ServerDialog(Switch(link), parent=self)
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
        self.topbar.theme_chosen.connect(self._on_theme_chosen)
        self.topbar.panel_toggled.connect(self._on_panel_toggled)
        self.topbar.server_wanted.connect(self.server.show)
        self.server.switched.connect(self.topbar.show_served)
        self.topbar.train_wanted.connect(self.train)
        self.chat.composer.sent.connect(self.send)
        self.chat.composer.stopped.connect(self.stop)
        self.chat.retry.connect(self.link.open_first)
        self.chat.transcript.regenerate.connect(self.regenerate)
        self.panel.show_drafted.connect(self.chat.transcript.show_drafted)
        self.panel.measure_wanted.connect(self.link.compare)
        self.panel.measure_stopped.connect(self.link.stop)
        self.topbar.gauge.nearly_full.connect(self.chat.notice.info)
        self._theme.changed.connect(self._renew)
        self.unforeseen.connect(self.chat.notice.error)

    def _connect_link(self) -> None:
        link = self.link
        link.phase_changed.connect(self._on_phase)
        link.phase_changed.connect(self.panel.show_phase)
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
        link.compare_progress.connect(self.panel.compare.show_progress)
        link.compared.connect(self.panel.compare.show_comparison)
        link.notice.connect(self.chat.notice.info)
        link.memory_changed.connect(self.topbar.gauge.show_own)
        link.closed.connect(self._on_link_closed)

    def _add_shortcuts(self) -> None:
        for keys, do in (
            ("Ctrl+N", self.new_chat),
            ("Ctrl+R", self.regenerate),
            ("Ctrl+B", self.topbar.panel.click),
            ("Escape", self.stop),
            ("Ctrl+L", self.chat.composer.field.setFocus),
            ("Ctrl+Q", self.close),
        ):
            QShortcut(QKeySequence(keys), self, activated=do)

    def _set_tab_order(self) -> None:
        bar, panel, composer = self.topbar, self.panel, self.chat.composer
        order = [composer.field, composer.button, bar.new, bar.models, bar.gauge, bar.panel, bar.menu]
        order += [*panel.tab_order, self.chat.transcript]
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
        self._ask()

    def regenerate(self) -> None:
        """Write the last reply again, with another seed."""
        if self.link.phase != Phase.READY or not self.conversation.can_regenerate:
            return
        self.chat.notice.hide()
        self._replaced = self.conversation.take_last()
        self.chat.transcript.take_last()
        self._seed += 1
        self._ask()

    def stop(self) -> None:
        """Stop what runs."""
        if self.link.busy:
            self.link.stop()

    def train(self) -> None:
        """Open the dialog that trains drafts for the model in memory."""
        info = self.link.info
        if info is None:
            self.chat.notice.info("Load a model first: drafts are trained for one model.")
            return
        if self.training is None or self.training.info.path != info.path:
            self.training = TrainingDialog(info, self)
            self.training.trained.connect(self.link.load)
        self.training.show()
        self.training.raise_()

    def new_chat(self) -> None:
        """Begin an empty conversation; an answer being written is stopped."""
        self.stop()
        self._reply = None
        self.conversation = Conversation()
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
        sampling = replace(SAMPLING, seed=self._seed)
        self.link.ask(messages, sampling)

    # -- what the decoder tells ----------------------------------------------------------------------------------

    def _on_phase(self, phase: str) -> None:
        self.topbar.show_phase(phase)
        self.chat.welcome.show_phase(phase)
        answering = phase in Phase.ANSWERING
        # While a reply of a dropped conversation still ends, nothing can be sent.
        why_not = _WHY_NOT.get(phase, "The model is loading …")
        self.chat.composer.set_state(phase == Phase.READY, answering, why_not)

    def _on_loaded(self, info: ModelInfo) -> None:
        self.panel.show_model(info)
        self.topbar.show_model(info.path)

    def _on_unloaded(self) -> None:
        self.panel.forget_model()
        self.topbar.show_model(None)

    def _on_rounds(self, rounds: list[Round]) -> None:
        if self._reply is None:
            return
        pieces = [piece for done in rounds for piece in done.pieces if piece[0]]
        if pieces:
            self.conversation.extend_reply(pieces)
            self._reply.extend(pieces)
        self.panel.add_rounds(rounds)

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
        if kind in ("answer", "memory") and self._reply is not None:
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
        if kind == "memory" and self.panel.drafting.isChecked():
            self.chat.notice.error(sentence, "Turn drafting off", self.panel.drafting.click)
            return
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

    def _on_theme_chosen(self, mode: str) -> None:
        self._theme.set_mode(mode)
        self._store("theme", mode)

    def _renew(self) -> None:
        for part in (self.topbar, self.chat, self.panel, self.server):
            part.renew()

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
        if self.training is not None:
            self.training.window_closes()
        self.hide()
        self.server.switch.turn_off(wait=False)
        self.link.close()

    def _stored(self, name: str, default):
        return self._settings.value(name, default) if self._settings is not None else default

    def _store(self, name: str, value) -> None:
        if self._settings is not None:
            self._settings.setValue(name, value)
