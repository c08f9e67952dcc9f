"""The main window: joins the link to the decoder with the chat, the speed panel and the top bar."""

from itertools import pairwise

from PySide6.QtCore import QByteArray, QSettings, QSize, Qt, Signal
from PySide6.QtWidgets import QApplication, QHBoxLayout, QMainWindow, QVBoxLayout, QWidget

from app.chats.conversation import Conversation
from app.chats.store import Store
from app.engine.link import EngineLink
from app.engine.phase import Phase
from app.hardware import MemoryReading
from app.server.switch import Switch
from app.settings.values import Drafting
from app.ui import shortcuts
from app.ui.chat.pane import ChatPane
from app.ui.chat.session import ChatSession
from app.ui.chats.sidebar import Sidebar
from app.ui.desk import Desk
from app.ui.forward import bring_forward
from app.ui.language import QT_TRANSLATE_NOOP, translate
from app.ui.models.library import LibraryDialog
from app.ui.server.dialog import ServerDialog
from app.ui.settings.preferences import Preferences
from app.ui.speed.panel import SpeedPanel
from app.ui.topbar import TopBar
from app.ui.training.dialog import TrainingDialog
from s3d_core.settings import DraftSettings
from s3d_core.stats import ModelInfo

NARROW = 900
# From this width on there is room for the chats at the left and the speed panel at the right.
NARROW_FOR_BOTH = 1080

_WHY_NOT = {
    Phase.FETCHING: QT_TRANSLATE_NOOP("Window", "The model is being fetched …"),
    Phase.COMPARING: QT_TRANSLATE_NOOP("Window", "Measuring plain against drafted …"),
    Phase.EMPTY: QT_TRANSLATE_NOOP("Window", "Choose a model at the top to start"),
}
_LOADING = QT_TRANSLATE_NOOP("Window", "The model is loading …")
_STOPS = dict.fromkeys(
    (Phase.STARTING, Phase.LOADING, Phase.MEASURING), QT_TRANSLATE_NOOP("Window", "Stop loading")
) | {Phase.FETCHING: QT_TRANSLATE_NOOP("Window", "Stop fetching")}


class Window(QMainWindow):
    """The window owns nothing of the decoder: it asks `link`, and shows what comes back.

    Args:
        store: where chats are kept; the window closes it at its end. Without one they live in memory.
        preferences: the settings. Without them the usual ones hold, and changes are not kept.

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
        store: Store | None = None,
        preferences: Preferences | None = None,
    ):
        super().__init__()
        self.setWindowTitle("S3D Chat")
        self.setObjectName("MainWindow")
        self.link = link
        self._settings = settings
        self.desk = Desk(application, preferences or Preferences(), self)
        self._panel_wish: bool | None = None
        self.training: TrainingDialog | None = None
        self.library: LibraryDialog | None = None
        self._sidebar_wish: bool | None = None
        self.topbar = TopBar(self.desk.theme.mode)
        self.chat = ChatPane()
        self.session = ChatSession(store or Store(), link, self.chat, self.desk.prepare, self)
        self.sidebar = Sidebar(self.session.store, self.chat.notice)
        self.sidebar.show_current(self.conversation.chat_id)
        self.desk.connect_chat(link, self.chat, self.session)
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
        if self.session.store.notice:
            self.chat.notice.error(self.session.store.notice)
        self._on_phase(link.phase if link.phase != Phase.EMPTY else Phase.STARTING)

    def show_memory(self, reading: MemoryReading) -> None:
        """A look at the memory."""
        self.topbar.gauge.show_reading(reading)

    def come_forward(self) -> None:
        """In front of other windows, with the keyboard."""
        self.setWindowState(self.windowState() & ~Qt.WindowState.WindowMinimized)
        bring_forward(self)

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
        below.addWidget(self.sidebar)
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
        self.topbar.theme_chosen.connect(self.desk.set_theme)
        self.topbar.settings_wanted.connect(self.desk.show_settings)
        self.topbar.sidebar_toggled.connect(self._on_sidebar_toggled)
        self.sidebar.new_chat.connect(self.new_chat)
        self.sidebar.chosen.connect(self.session.open_chat)
        self.sidebar.found.connect(self.chat.transcript.mark)
        self.sidebar.left.connect(self.chat.composer.field.setFocus)
        self.sidebar.deleted.connect(self.session.leave_deleted)
        self.session.chats_changed.connect(self.sidebar.refresh)
        self.session.opened.connect(self.sidebar.show_current)
        self.topbar.panel_toggled.connect(self._on_panel_toggled)
        self.topbar.server_wanted.connect(lambda: bring_forward(self.server))
        self.server.switched.connect(self.topbar.show_served)
        self.topbar.train_wanted.connect(self.train)
        self.topbar.library_wanted.connect(self.manage_models)
        self.chat.composer.sent.connect(self.send)
        self.chat.composer.stopped.connect(self.stop)
        self.chat.asked.connect(self.send)
        self.chat.retry.connect(self.link.open_first)
        self.session.asked.connect(self.panel.start_reply)
        self.session.writer.measured.connect(self.panel.finish_reply)
        self.session.opened.connect(lambda chat: self._on_phase(self.link.phase))
        self.panel.show_drafted.connect(self.chat.transcript.show_drafted)
        self.panel.measure_wanted.connect(self.measure)
        self.panel.measure_stopped.connect(self.link.stop)
        self.panel.train_wanted.connect(self.train)
        self.panel.controls.wished.connect(self._keep_drafting)
        self.session.opened.connect(lambda chat: self.panel.compare.forget())
        self.topbar.gauge.nearly_full.connect(self.chat.notice.info)
        self.desk.theme.changed.connect(self._renew)
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
        link.rounds_done.connect(self.panel.add_rounds)
        link.failed.connect(self._on_failed)
        link.refused.connect(self._on_refused)
        link.compare_progress.connect(self.panel.compare.show_progress)
        link.compared.connect(self.panel.compare.show_comparison)
        link.notice.connect(self.chat.notice.info)
        link.memory_changed.connect(self.topbar.gauge.show_own)
        link.closed.connect(self._on_link_closed)

    def _add_shortcuts(self) -> None:
        actions = {
            "new": self.new_chat,
            "search": self._search,
            "chats": self.topbar.sidebar.click,
            "settings": self.desk.show_settings,
            "models": self.manage_models,
            "message": self.chat.composer.field.setFocus,
            "attach": self.chat.composer.choose_files,
            "stop": self.stop,
            "copy": self.desk.copy_last,
            "again": self.regenerate,
            "panel": self.topbar.panel.click,
            "find": self.chat.find_bar.start,
            "larger": lambda: self.desk.zoom(1),
            "smaller": lambda: self.desk.zoom(-1),
            "usual_size": lambda: self.desk.zoom(0),
            "quit": self.close,
        }
        shortcuts.install(self, actions)

    def _set_tab_order(self) -> None:
        bar, panel, composer = self.topbar, self.panel, self.chat.composer
        order = [
            composer.field,
            composer.attach,
            composer.tune,
            composer.button,
            bar.sidebar,
            bar.new,
            bar.models,
            bar.gauge,
            bar.panel,
        ]
        order += [bar.menu, *panel.tab_order, self.sidebar.search, self.sidebar.menu, self.sidebar.list]
        order.append(self.chat.transcript)
        for before, after in pairwise(order):
            QWidget.setTabOrder(before, after)

    # -- what the user does --------------------------------------------------------------------------------------

    def send(self, text: str) -> None:
        """Ask the model."""
        if self.session.send(text):
            self.chat.composer.clear()

    def regenerate(self) -> None:
        """Write the last reply again."""
        self.session.regenerate()

    def stop(self) -> None:
        """Stop what runs."""
        if self.link.busy:
            self.topbar.show_stopping()
        self.session.stop()

    def measure(self, settings: DraftSettings) -> None:
        """Measure plain decoding against `settings` on the last reply shown."""
        asked = self.session.last_asked()
        if asked is None:
            self.panel.compare.tell(self.tr("Ask something first: its answer is what is measured."))
        elif self.link.phase == Phase.READY:
            self.link.compare(settings, *asked)

    def train(self) -> None:
        """Open the dialog that trains drafts for the model in memory."""
        info = self.link.info
        if info is None:
            self.chat.notice.info(self.tr("Load a model first: drafts are trained for one model."))
            return
        if self.training is None or self.training.info.path != info.path:
            self.training = TrainingDialog(info, self)
            self.training.trained.connect(self.link.load)
            self.training.ended.connect(lambda said: self.chat.notice.offer(said, self.tr("Show"), self.train))
        bring_forward(self.training)

    def manage_models(self) -> None:
        """Open the model library."""
        if self.library is None:
            self.library = LibraryDialog(self.link, lambda: self.topbar.gauge.reading, self)
            self.library.models_changed.connect(self.topbar.show_models)
            self.desk.theme.changed.connect(self.library.renew)
        bring_forward(self.library)

    def new_chat(self) -> None:
        """Show an empty chat; an answer being written goes on in its own."""
        self.session.new_chat()
        self.chat.composer.field.setFocus()

    @property
    def conversation(self) -> Conversation:
        """The chat shown."""
        return self.session.conversation

    # -- what the decoder tells ----------------------------------------------------------------------------------

    def _on_phase(self, phase: str) -> None:
        self.topbar.show_phase(phase)
        self.chat.welcome.show_phase(phase)
        answering = phase in Phase.ANSWERING and not self.session.writes_elsewhere
        elsewhere = self.tr("Another chat is being answered (Escape stops it)")
        why_not = elsewhere if self.session.writes_elsewhere else translate("Window", _WHY_NOT.get(phase, _LOADING))
        self.chat.composer.set_state(
            phase == Phase.READY, answering, why_not, translate("Window", _STOPS.get(phase, ""))
        )

    def _on_loaded(self, info: ModelInfo) -> None:
        self.panel.show_model(info, self.desk.preferences.settings.drafting.get(info.name))
        self.topbar.show_model(info.path)
        self.chat.welcome.show_model(info)

    def _keep_drafting(self, wish: Drafting) -> None:
        if self.link.info is not None:
            self.desk.preferences.set_drafting(self.link.info.name, wish)

    def _on_unloaded(self) -> None:
        self.panel.forget_model()
        self.topbar.show_model(None)
        self.chat.welcome.show_model(None)

    def _on_failed(self, kind: str, sentence: str) -> None:
        if self.link.info is None and kind in ("fetch", "load"):
            self.chat.welcome.show_failure(sentence)
        if kind == "fetch" and not self.conversation.turns:
            return
        retry = self.link.open_first if kind in ("fetch", "load") and self.link.info is None else None
        if kind == "memory" and self.panel.drafting.isChecked():
            self.chat.notice.error(sentence, self.tr("Turn drafting off"), self.panel.drafting.click)
            return
        self.chat.notice.error(sentence, self.tr("Retry") if retry else "", retry)

    def _on_refused(self, path, sentence: str) -> None:
        """A model does not fit into the memory; the user may know better."""
        self.topbar.show_model(self.link.info.path if self.link.info else None)
        self.chat.notice.error(sentence, self.tr("Load anyway"), lambda: self.link.load(path, anyway=True))

    def _on_link_closed(self) -> None:
        self.session.close()
        self.sidebar.stop()
        self.session.store.close()
        self.closed.emit()
        self.close()

    # -- inside --------------------------------------------------------------------------------------------------

    def _renew(self) -> None:
        self.topbar.show_theme(self.desk.theme.mode)
        for part in (self.topbar, self.sidebar, self.chat, self.panel, self.server):
            part.renew()

    def _search(self) -> None:
        if not self.sidebar.isVisible():
            self.topbar.sidebar.click()
        self.sidebar.start_search()

    def _on_sidebar_toggled(self, shown: bool) -> None:
        self._sidebar_wish = shown
        self.sidebar.setVisible(shown)

    def _on_panel_toggled(self, shown: bool) -> None:
        self._panel_wish = shown
        self.panel.setVisible(shown)

    def _fit_sides(self) -> None:
        for side, button, wish, least in (
            (self.panel, self.topbar.panel, self._panel_wish, NARROW),
            (self.sidebar, self.topbar.sidebar, self._sidebar_wish, NARROW_FOR_BOTH),
        ):
            shown = self.width() >= least if wish is None else wish
            side.setVisible(shown)
            button.setChecked(shown)

    def resizeEvent(self, event) -> None:
        super().resizeEvent(event)
        before, now = event.oldSize().width(), event.size().width()
        if (before >= NARROW) != (now >= NARROW):
            self._panel_wish = None
        if (before >= NARROW_FOR_BOTH) != (now >= NARROW_FOR_BOTH):
            self._sidebar_wish = None
        self._fit_sides()

    def closeEvent(self, event) -> None:
        """The window goes at once; the program ends when the decoder's thread has."""
        if self.link.is_closed:
            event.accept()
            return
        event.ignore()
        self._store("geometry", self.saveGeometry())
        if self.training is not None:
            self.training.window_closes()
        self.desk.close()
        if self.library is not None:
            self.library.shut()
        self.hide()
        self.server.switch.turn_off(wait=False)
        self.link.close()

    def _stored(self, name: str, default):
        return self._settings.value(name, default) if self._settings is not None else default

    def _store(self, name: str, value) -> None:
        if self._settings is not None:
            self._settings.setValue(name, value)
