"""The bar at the top: model, phase with its clock, memory, menus."""

import time

from PySide6.QtCore import QSize, Qt, QTimer, Signal
from PySide6.QtGui import QAction, QActionGroup
from PySide6.QtWidgets import (
    QComboBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QMenu,
    QProgressBar,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
)

from app.engine.phase import Phase
from app.ui.box import Box
from app.ui.gauge import MemoryGauge
from app.ui.icons import icon
from app.ui.language import QT_TRANSLATE_NOOP, translate
from app.ui.shortcuts import BY_NAME, with_keys
from app.ui.theme import MODES

_SAID = {
    Phase.STARTING: QT_TRANSLATE_NOOP("Window", "Starting"),
    Phase.FETCHING: QT_TRANSLATE_NOOP("Window", "Fetching the model"),
    Phase.LOADING: QT_TRANSLATE_NOOP("Window", "Loading"),
    Phase.MEASURING: QT_TRANSLATE_NOOP("Window", "Measuring plain speed"),
    Phase.READY: QT_TRANSLATE_NOOP("Window", "Ready"),
    Phase.READING: QT_TRANSLATE_NOOP("Window", "Reading the prompt"),
    Phase.WRITING: QT_TRANSLATE_NOOP("Window", "Writing"),
    Phase.COMPARING: QT_TRANSLATE_NOOP("Window", "Measuring plain against drafted"),
    Phase.EMPTY: QT_TRANSLATE_NOOP("Window", "No model"),
}
_CLOCK_MS = 200
_TIP = Qt.ItemDataRole.ToolTipRole


class TopBar(QFrame):
    """Signals:
    new_chat, sidebar_toggled(bool), panel_toggled(bool): the buttons.
    model_chosen: path of an installed model.
    theme_chosen: one of `MODES`.
    server_wanted: the local server's window.
    train_wanted: the user wants drafts trained for the model.
    settings_wanted: the menu's line.
    library_wanted: the user wants to see all models.
    """

    new_chat = Signal()
    sidebar_toggled = Signal(bool)
    panel_toggled = Signal(bool)
    model_chosen = Signal(object)
    theme_chosen = Signal(str)
    server_wanted = Signal()
    train_wanted = Signal()
    settings_wanted = Signal()
    library_wanted = Signal()

    def __init__(self, theme_mode: str, parent=None):
        super().__init__(parent)
        self.setObjectName("TopBar")
        self.sidebar = _button(with_keys(self.tr("Show or hide the chats"), "chats"), self.tr("Chats"))
        self.sidebar.setCheckable(True)
        self.sidebar.clicked.connect(self.sidebar_toggled)
        self.new = _button(with_keys(self.tr("New chat"), "new"), self.tr("New chat"))
        self.new.clicked.connect(self.new_chat)
        self.models = Box(toolTip=self.tr("The model that answers"))
        self.models.setAccessibleName(self.tr("Model"))
        self.models.setMinimumWidth(150)
        self.models.setMaximumWidth(280)
        self.models.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.models.setMinimumContentsLength(16)
        self.models.setPlaceholderText(self.tr("No model yet"))
        self.models.activated.connect(self._on_model)
        self.phase_label = QLabel(translate("Window", _SAID[Phase.STARTING]))
        self.phase_label.setProperty("muted", True)
        self.phase_label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.phase_label.setAccessibleName(self.tr("State"))
        self.gauge = MemoryGauge()
        self.panel = _button(with_keys(self.tr("Show or hide the speed panel"), "panel"), self.tr("Speed panel"))
        self.panel.setCheckable(True)
        self.panel.clicked.connect(self.panel_toggled)
        self.menu = _button(self.tr("Menu"), self.tr("Menu"))
        self.menu.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.menu.setMenu(self._make_menu(theme_mode))
        row = QHBoxLayout()
        row.setContentsMargins(12, 7, 12, 6)
        row.setSpacing(8)
        row.addWidget(self.sidebar)
        row.addWidget(self.new)
        row.addWidget(self.models)
        row.addSpacing(4)
        row.addWidget(self.phase_label, 1)
        row.addWidget(self.gauge)
        row.addSpacing(4)
        row.addWidget(self.panel)
        row.addWidget(self.menu)
        self.progress = QProgressBar(textVisible=False, maximum=1000)
        self.progress.setAccessibleName(self.tr("Progress"))
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addLayout(row)
        column.addWidget(self.progress)
        self._phase, self._since, self._detail, self._stopping = Phase.STARTING, time.monotonic(), "", False
        self._clock = QTimer(self, interval=_CLOCK_MS)
        self._clock.timeout.connect(self._tick)
        self._shown = None
        self._idle_bar()
        self.renew()

    def _make_menu(self, theme_mode: str) -> QMenu:
        menu = QMenu(self)
        group = QActionGroup(self)
        self.theme_actions: dict[str, QAction] = {}
        for mode, text in zip(
            MODES, (self.tr("Theme of the system"), self.tr("Light theme"), self.tr("Dark theme")), strict=True
        ):
            action = menu.addAction(text)
            action.setCheckable(True)
            action.setChecked(mode == theme_mode)
            action.triggered.connect(lambda checked=False, mode=mode: self.theme_chosen.emit(mode))
            group.addAction(action)
            self.theme_actions[mode] = action
        menu.addSeparator()
        menu.addAction(self.tr("Manage models …") + "\t" + BY_NAME["models"].said, self.library_wanted.emit)
        self.server_action = menu.addAction(self.tr("Serve to other programs …"))
        self.server_action.triggered.connect(lambda checked=False: self.server_wanted.emit())
        menu.addAction(self.tr("Train drafts for this model …"), self.train_wanted.emit)
        settings = menu.addAction(self.tr("Settings …") + "\t" + BY_NAME["settings"].said)
        settings.triggered.connect(self.settings_wanted)
        return menu

    def show_served(self, on: bool) -> None:
        """Whether other programs can ask the model."""
        self.server_action.setText(
            self.tr("Serving to other programs …") if on else self.tr("Serve to other programs …")
        )

    def show_models(self, models: list) -> None:
        """The installed models (name, path, bytes)."""
        current = self._shown
        self.models.clear()
        for model in models:
            self.models.addItem(model.name, model.path)
            self.models.setItemData(self.models.count() - 1, str(model.path), _TIP)
        self.models.addItem(self.tr("Manage models …"))
        self.models.setItemData(
            self.models.count() - 1, with_keys(self.tr("Fetch, import and delete models"), "models"), _TIP
        )
        self._select(current)

    def show_model(self, path) -> None:
        """This model is in memory or on its way there; None when there is none."""
        self._select(path)

    def show_phase(self, phase: str) -> None:
        """What happens now; the clock starts anew."""
        if phase != self._phase:
            self._since = time.monotonic()
        self._phase, self._detail, self._stopping = phase, "", False
        if phase in Phase.BUSY:
            self._clock.start()
            known = phase in (Phase.FETCHING, Phase.LOADING, Phase.READING)
            self.progress.setRange(0, 1000 if known or phase == Phase.WRITING else 0)
            self.progress.setValue(0)
        else:
            self._clock.stop()
            self._idle_bar()
        self._tick()

    def show_theme(self, mode: str) -> None:
        """This theme is in use."""
        self.theme_actions[mode].setChecked(True)

    def show_stopping(self) -> None:
        """The user wants what runs to end; it does so at its next step."""
        self._stopping = self._phase in Phase.BUSY
        self._tick()

    def show_progress(self, sentence: str, share: float) -> None:
        """How far a download or a load is."""
        # Nothing is known of how long the start of a step takes: the bar only shows that it goes on.
        self._detail = f"{sentence} {_percent(share)}" if share else sentence
        self.progress.setRange(0, 1000 if share else 0)
        self.progress.setValue(int(1000 * share))
        self._tick()

    def show_prefill(self, done: int, total: int) -> None:
        """How much of the prompt is read."""
        share = done / total if total else 1.0
        self._detail = f"{translate('Window', _SAID[Phase.READING])} {_percent(share)}"
        self.progress.setValue(int(1000 * share))
        self._tick()

    def renew(self) -> None:
        """Take the theme's present colours."""
        self.sidebar.setIcon(icon("sidebar"))
        self.new.setIcon(icon("new"))
        self.panel.setIcon(icon("panel"))
        self.menu.setIcon(icon("menu"))
        self.gauge.update()

    def _tick(self) -> None:
        said = self.tr("Stopping") if self._stopping else self._detail or translate("Window", _SAID[self._phase])
        if self._phase in Phase.BUSY:
            said += f" · {_clock(time.monotonic() - self._since)}"
        self.phase_label.setText(said)
        self.phase_label.setToolTip(said)

    def _idle_bar(self) -> None:
        self.progress.setRange(0, 1000)
        self.progress.setValue(0)

    def _select(self, path) -> None:
        self._shown = path
        rows = range(self.models.count()) if path is not None else ()
        wanted = [row for row in rows if str(self.models.itemData(row)) == str(path)]
        self.models.setCurrentIndex(wanted[0] if wanted else -1)

    def _on_model(self, row: int) -> None:
        if self.models.itemData(row) is None:
            self._select(self._shown)
            self.library_wanted.emit()
            return
        self.model_chosen.emit(self.models.itemData(row))


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _clock(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 60 else f"{seconds // 60:.0f} min {seconds % 60:.0f} s"


def _button(tip: str, name: str) -> QToolButton:
    button = QToolButton(toolTip=tip, accessibleName=name)
    button.setIconSize(QSize(20, 20))
    return button
