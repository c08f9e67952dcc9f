"""The speed panel: what drafting brings, and the controls that change it while the model writes."""

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtWidgets import QFrame, QGridLayout, QLabel, QScrollArea, QVBoxLayout, QWidget

from app.engine.live import LiveSettings
from app.engine.phase import Phase
from app.settings.values import Drafting
from app.ui.language import QT_TRANSLATE_NOOP, translate
from app.ui.speed.compare import CompareCard
from app.ui.speed.controls import Switch, caption, figure, separator, switch_row
from app.ui.speed.drafting import DraftControls
from app.ui.speed.drawings import SlotBars
from app.ui.speed.meter import SpeedMeter
from app.ui.speed.plot import SpeedPlot
from app.ui.speed.strip import RoundStrip
from app.ui.theme import colours
from s3d_core.stats import ModelInfo, Round, Totals

# In the mean width of a letter.
_WIDTH, _NARROWEST, _WIDEST = 46, 316, 480
_NOT_MEASURED = QT_TRANSLATE_NOOP("Speed", "Plain decoding has not been measured on this machine yet")
_HOW_SPEED = QT_TRANSLATE_NOOP(
    "Speed",
    "Tokens over the measured time of the rounds: the last 1.5 seconds while an answer is written, then all of it. "
    "Reading the prompt is left out.",
)
_HOW_PLAIN = QT_TRANSLATE_NOOP(
    "Speed",
    "Plain steps are timed after loading, and again and again while answers are written: now and then a round "
    "goes without drafts. The speed-up is the speed at the left over the median of the last 16.",
)


class SpeedPanel(QFrame):
    """Shows the figures of the reply being written, and swaps the live settings when a control moves.

    Signals:
        show_drafted: the letters from accepted drafts shall be coloured, or not.
        measure_wanted: DraftSettings to measure against plain decoding. measure_stopped: enough of that.
        train_wanted: the user wants a draft adapter for the model in memory.
    """

    show_drafted = Signal(bool)
    measure_wanted = Signal(object)
    measure_stopped = Signal()
    train_wanted = Signal()

    def __init__(self, settings: LiveSettings, parent=None):
        super().__init__(parent)
        self.setObjectName("SpeedPanel")
        self.setAccessibleName(self.tr("Speed"))
        self._settings = settings
        self._info: ModelInfo | None = None
        self.meter = SpeedMeter()
        self.controls = DraftControls()
        self.drafting, self.relaxed = self.controls.drafting, self.controls.relaxed
        self.skipped, self.draft_length, self.tree_size, self.exactness = self.controls.sliders
        self.stack = self.controls.stack
        page = QWidget(objectName="SpeedPage")
        column = QVBoxLayout(page)
        column.setContentsMargins(18, 12, 18, 14)
        column.setSpacing(8)
        self._add_figures(column)
        self.compare = CompareCard()
        column.addWidget(self.compare)
        column.addWidget(separator())
        column.addWidget(self.controls)
        self._add_colouring(column)
        column.addWidget(separator())
        self._add_acceptance(column)
        column.addStretch(1)
        scroll = QScrollArea(widgetResizable=True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        scroll.setWidget(page)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.addWidget(scroll)
        self.controls.changed.connect(self._on_changed)
        self.controls.train_wanted.connect(self.train_wanted)
        self.compare.wanted.connect(lambda: self.measure_wanted.emit(self.controls.wish))
        self.compare.stop_wanted.connect(self.measure_stopped)
        self._fit()
        self.renew()

    # -- building ------------------------------------------------------------------------------------------------

    def _add_figures(self, column: QVBoxLayout) -> None:
        title = QLabel(self.tr("Drafting"))
        font = title.font()
        font.setPointSizeF(font.pointSizeF() * 1.15)
        font.setBold(True)
        title.setFont(font)
        column.addLayout(switch_row(self.drafting, title))
        self.speed, self.speedup = (
            figure(self.tr("tokens per second now")),
            figure(self.tr("speed-up over plain decoding")),
        )
        self._speedup_caption = caption(self.tr("over plain"))
        speed_caption = caption(self.tr("tokens/s"))
        for part in (self.speed, speed_caption):
            part.setToolTip(translate("Speed", _HOW_SPEED))
        column.addLayout(_pair((self.speed, speed_caption), (self.speedup, self._speedup_caption)))
        self.plot = SpeedPlot()
        column.addWidget(self.plot)
        self.strip = RoundStrip()
        column.addWidget(self.strip)

    def _add_acceptance(self, column: QVBoxLayout) -> None:
        self.per_round, self.accepted = (
            figure(self.tr("tokens per round"), 1.15),
            figure(self.tr("accepted drafts"), 1.15),
        )
        column.addLayout(
            _pair(
                (self.per_round, caption(self.tr("tokens per round"))),
                (self.accepted, caption(self.tr("accepted / drafted"))),
            )
        )
        column.addWidget(caption(self.tr("Accepted, by place in the draft")))
        self.slots = SlotBars()
        column.addWidget(self.slots)

    def _add_colouring(self, column: QVBoxLayout) -> None:
        self.colouring = Switch(toolTip=self.tr("Colour the text that came from accepted drafts"))
        self.colouring.toggled.connect(self._on_colouring)
        self._colouring_name = QLabel(self.tr("Show drafted tokens"))
        column.addLayout(switch_row(self.colouring, self._colouring_name))

    @property
    def tab_order(self) -> list[QWidget]:
        """The panel's controls in the order of the keyboard."""
        return [self.drafting, self.compare.button, *self.controls.tab_order, self.colouring]

    # -- what the window tells -----------------------------------------------------------------------------------

    def show_model(self, info: ModelInfo, kept: Drafting | None = None) -> None:
        """Take a model's bounds and its own settings, or those that the user once chose for it."""
        self._info = info
        self.compare.forget()
        self.controls.show_model(info, kept)

    def forget_model(self) -> None:
        """No model is in memory."""
        self._info, self.meter.plain_ms = None, None
        self.compare.forget()
        self.start_reply()
        self.controls.show_model(None)

    def show_phase(self, phase: str) -> None:
        """What the decoder does now, one of `Phase`."""
        self.compare.set_state(phase == Phase.READY, phase == Phase.COMPARING)

    def start_reply(self) -> None:
        """A reply begins."""
        self.meter.start()
        self.strip.clear()
        self.controls.start_reply()
        self._show_figures()

    def add_rounds(self, rounds: list[Round]) -> None:
        """Rounds that were done."""
        self.meter.add(rounds)
        self.strip.add(rounds)
        self.controls.add_rounds(rounds)
        self._show_figures()

    def finish_reply(self, totals: Totals) -> None:
        """The reply ended; its sums stay."""
        self.meter.finish(totals)
        self._show_figures()

    def set_plain(self, milliseconds: float) -> None:
        """Plain decoding was measured (again)."""
        self.meter.set_plain(milliseconds)
        self._show_figures()

    def renew(self) -> None:
        """Take the theme's present colours."""
        ink = colours()
        shown = f"background: {ink.drafted}; border-radius: 5px; padding: 3px 7px;"
        self._colouring_name.setStyleSheet(shown if self.colouring.isChecked() else "padding: 3px 0;")
        self._show_figures()
        self.update()

    def changeEvent(self, event: QEvent) -> None:
        """Other letters need another width."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.FontChange:
            self._fit()

    # -- inside --------------------------------------------------------------------------------------------------

    def _fit(self) -> None:
        wanted = _WIDTH * self.fontMetrics().averageCharWidth()
        self.setFixedWidth(min(_WIDEST, max(_NARROWEST, wanted)))

    def _on_changed(self) -> None:
        if self._info is not None:
            self._settings.swap(self.controls.chosen)
        self._show_figures()

    def _on_colouring(self, shown: bool) -> None:
        self.renew()
        self.show_drafted.emit(shown)

    def _show_figures(self) -> None:
        shown, whole = self.meter.shown, self.meter.totals
        plain_speed = shown.plain_tokens_per_second
        self.speed.setText(f"{shown.tokens_per_second:.1f}" if shown.tokens else "–")
        self.speedup.setText(f"{shown.speedup:.2f}×" if shown.speedup is not None else "–")
        is_faster = shown.speedup is None or shown.speedup >= 1
        self.speedup.setStyleSheet(f"color: {colours().speed if is_faster else colours().text};")
        self.per_round.setText(f"{shown.tokens_per_round:.2f}" if shown.rounds else "–")
        self.accepted.setText(f"{shown.accepted} / {shown.drafted}" if shown.drafted else "–")
        if plain_speed:
            tip = self.tr("plain: {speed:.1f} tok/s measured on this machine").format(speed=plain_speed)
        else:
            tip = translate("Speed", _NOT_MEASURED)
        self._speedup_caption.setText(
            self.tr("over plain ({speed:.1f})").format(speed=plain_speed) if plain_speed else self.tr("over plain")
        )
        self.speedup.setToolTip(tip + "\n" + translate("Speed", _HOW_PLAIN))
        self._speedup_caption.setToolTip(self.speedup.toolTip())
        self.plot.show_points(self.meter.points, plain_speed)
        slots = self.draft_length.value if self._info and not self.controls.following else 0
        self.slots.show_shares(shown.acceptance_per_slot, slots)
        self.controls.show_share(whole.relaxed, whole.tokens)


def _pair(left: tuple[QLabel, QLabel], right: tuple[QLabel, QLabel]) -> QGridLayout:
    """Two figures side by side, a caption below each."""
    grid = QGridLayout()
    grid.setVerticalSpacing(0)
    for column, (number, below) in enumerate((left, right)):
        grid.setColumnStretch(column, 1)
        grid.addWidget(number, 0, column)
        grid.addWidget(below, 1, column)
    return grid
