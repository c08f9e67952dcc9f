"""The speed panel: what drafting brings, and the controls that change it while the model writes."""

from dataclasses import replace

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QGridLayout, QHBoxLayout, QLabel, QScrollArea, QVBoxLayout, QWidget

from app.engine.live import LiveSettings
from app.ui.speed.controls import NamedSlider, Switch
from app.ui.speed.drawings import LayerStack, SlotBars, SpeedPlot
from app.ui.speed.meter import SpeedMeter
from app.ui.theme import colours
from s3d_core.settings import MAX_DRAFT_LENGTH, MAX_TREE_SIZE, DraftSettings
from s3d_core.stats import ModelInfo, Round, Totals

PANEL_WIDTH = 316
_USES_LAYERS = ("skip", "s3d")


def _exactness_said(position: int) -> str:
    return "exact" if position == 0 else f"{1 - position / 100:.2f}"


class SpeedPanel(QFrame):
    """Shows the figures of the reply being written, and swaps the live settings when a control moves.

    Signals:
        show_drafted: the letters from accepted drafts shall be coloured, or not.
    """

    show_drafted = Signal(bool)

    def __init__(self, settings: LiveSettings, parent=None):
        super().__init__(parent)
        self.setObjectName("SpeedPanel")
        self.setFixedWidth(PANEL_WIDTH)
        self.setAccessibleName("Speed")
        self._settings = settings
        self._info: ModelInfo | None = None
        self.meter = SpeedMeter()
        page = QWidget(objectName="SpeedPage")
        column = QVBoxLayout(page)
        column.setContentsMargins(18, 14, 18, 16)
        column.setSpacing(10)
        self._add_head(column)
        self._add_figures(column)
        column.addWidget(_separator())
        self._add_controls(column)
        column.addStretch(1)
        scroll = QScrollArea(widgetResizable=True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        scroll.setWidget(page)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.addWidget(scroll)
        self._enable(False)
        self.renew()

    # -- building ------------------------------------------------------------------------------------------------

    def _add_head(self, column: QVBoxLayout) -> None:
        title = QLabel("Drafting")
        font = title.font()
        font.setPointSizeF(font.pointSizeF() * 1.15)
        font.setBold(True)
        title.setFont(font)
        self.drafting = Switch(toolTip="Draft with the model's own layers, or decode plainly")
        self.drafting.setAccessibleName("Drafting")
        self.drafting.toggled.connect(self._on_moved)
        row = QHBoxLayout()
        row.addWidget(title)
        row.addStretch()
        row.addWidget(self.drafting)
        column.addLayout(row)

    def _add_figures(self, column: QVBoxLayout) -> None:
        self.speed, self.speedup = _figure("tokens per second now"), _figure("speed-up over plain decoding")
        self._speed_caption, self._speedup_caption = _caption("tokens/s"), _caption("over plain")
        self.per_round, self.accepted = _figure("tokens per round", 1.15), _figure("accepted drafts", 1.15)
        grid = QGridLayout()
        grid.setVerticalSpacing(0)
        grid.setColumnStretch(0, 1)
        grid.setColumnStretch(1, 1)
        for column_number, (figure, caption) in enumerate(
            ((self.speed, self._speed_caption), (self.speedup, self._speedup_caption))
        ):
            grid.addWidget(figure, 0, column_number)
            grid.addWidget(caption, 1, column_number)
        column.addLayout(grid)
        self.plot = SpeedPlot()
        column.addWidget(self.plot)
        small = QGridLayout()
        small.setVerticalSpacing(0)
        small.setColumnStretch(0, 1)
        small.setColumnStretch(1, 1)
        small.addWidget(self.per_round, 0, 0)
        small.addWidget(_caption("tokens per round"), 1, 0)
        small.addWidget(self.accepted, 0, 1)
        small.addWidget(_caption("accepted / drafted"), 1, 1)
        column.addLayout(small)
        column.addWidget(_caption("Accepted, by place in the draft"))
        self.slots = SlotBars()
        column.addWidget(self.slots)

    def _add_controls(self, column: QVBoxLayout) -> None:
        self.stack = LayerStack()
        self.skipped = NamedSlider("Skipped layers", "Middle layers left out while drafting", 0, 1, self._skipped_said)
        self.draft_length = NamedSlider(
            "Draft length", "Tokens guessed ahead before the whole model checks them", 1, MAX_DRAFT_LENGTH
        )
        self.tree_size = NamedSlider(
            "Tree size",
            "Guessed tokens checked at once; 1 is a single chain",
            1,
            MAX_TREE_SIZE,
            lambda size: "1 (chain)" if size == 1 else str(size),
        )
        self.exactness = NamedSlider(
            "Exact to fast",
            "At the left end the text is exactly the model's own. To the right, guesses the model finds "
            "plausible are taken too, which is faster.",
            0,
            100,
            _exactness_said,
        )
        self.relaxed = _caption("")
        self.relaxed.setToolTip("Share of this answer's tokens that plain decoding would not have chosen")
        for part in (self.stack, self.skipped, self.draft_length, self.tree_size, self.exactness):
            column.addWidget(part)
            if isinstance(part, NamedSlider):
                part.moved.connect(self._on_moved)
        column.addWidget(self.relaxed)
        self.colouring = Switch(toolTip="Colour the text that came from accepted drafts")
        self.colouring.setAccessibleName("Show drafted tokens")
        self.colouring.toggled.connect(self._on_colouring)
        self._colouring_name = QLabel("Show drafted tokens")
        self._colouring_name.setToolTip(self.colouring.toolTip())
        row = QHBoxLayout()
        row.addWidget(self._colouring_name)
        row.addStretch()
        row.addWidget(self.colouring)
        column.addLayout(row)

    # -- what the window tells -----------------------------------------------------------------------------------

    def show_model(self, info: ModelInfo) -> None:
        """Take a model's bounds and its own settings."""
        self._info = info
        wish = info.defaults
        self.skipped.set(min(wish.skipped, info.most_skipped), info.most_skipped)
        self.draft_length.set(min(wish.draft_length, info.most_drafted), info.most_drafted)
        self.tree_size.set(wish.tree_size)
        self.exactness.set(round(100 * (1 - wish.exactness)))
        self.drafting.blockSignals(True)
        self.drafting.setChecked(wish.strategy != "plain")
        self.drafting.blockSignals(False)
        self._on_moved()

    def forget_model(self) -> None:
        """No model is in memory."""
        self._info, self.meter.plain_ms = None, None
        self._enable(False)

    def start_reply(self) -> None:
        """A reply begins."""
        self.meter.start()
        self._show_figures()

    def add_rounds(self, rounds: list[Round]) -> None:
        """Rounds that were done."""
        self.meter.add(rounds)
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

    # -- inside --------------------------------------------------------------------------------------------------

    def chosen(self) -> DraftSettings:
        """The settings as the controls stand."""
        strategy, wish = "plain", DraftSettings() if self._info is None else self._info.defaults
        if self._info is not None and self.drafting.isChecked():
            strategy = wish.strategy
            # A model whose own wish is plain decoding can still draft: with its own layers.
            strategy = "skip" if strategy == "plain" else strategy
        return replace(
            wish,
            strategy=strategy,
            skipped=self.skipped.value,
            draft_length=self.draft_length.value,
            tree_size=self.tree_size.value,
            exactness=1 - self.exactness.value / 100,
        )

    def _on_moved(self) -> None:
        chosen = self.chosen()
        if self._info is not None:
            self._settings.swap(chosen)
            self.stack.show_layers(self._info.depth, chosen.skipped, chosen.strategy in _USES_LAYERS)
        self._enable(self._info is not None)
        self._show_figures()

    def _on_colouring(self, shown: bool) -> None:
        self.renew()
        self.show_drafted.emit(shown)

    def _enable(self, has_model: bool) -> None:
        drafting = has_model and self.drafting.isChecked()
        self.drafting.setEnabled(has_model)
        for slider in (self.draft_length, self.tree_size, self.exactness):
            slider.setEnabled(drafting)
        self.skipped.setEnabled(drafting and self.chosen().strategy in _USES_LAYERS)

    def _skipped_said(self, skipped: int) -> str:
        return f"{skipped} of {self._info.depth}" if self._info else str(skipped)

    def _show_figures(self) -> None:
        shown, whole, plain = self.meter.shown, self.meter.totals, self.meter.plain_ms
        plain_speed = 1000 / plain if plain else None
        self.speed.setText(f"{shown.tokens_per_second:.1f}" if shown.tokens else "–")
        self.speedup.setText(f"{shown.speedup:.2f}×" if shown.speedup is not None else "–")
        is_faster = shown.speedup is None or shown.speedup >= 1
        self.speedup.setStyleSheet(f"color: {colours().speed if is_faster else colours().text};")
        self.per_round.setText(f"{shown.tokens_per_round:.2f}" if shown.rounds else "–")
        self.accepted.setText(f"{shown.accepted} / {shown.drafted}" if shown.drafted else "–")
        if plain_speed:
            tip = f"plain: {plain_speed:.1f} tok/s measured on this machine"
        else:
            tip = "Plain decoding has not been measured on this machine yet"
        self._speedup_caption.setText(f"over plain ({plain_speed:.1f})" if plain_speed else "over plain")
        self.speedup.setToolTip(tip)
        self._speedup_caption.setToolTip(tip)
        self.plot.show_points(self.meter.points, plain_speed)
        self.slots.show_shares(shown.acceptance_per_slot, self.draft_length.value if self._info else 0)
        share = whole.relaxed / whole.tokens if whole.tokens else 0.0
        self.relaxed.setText(f"{share:.1%} of tokens not what plain decoding would choose")


def _figure(name: str, scale: float = 1.75) -> QLabel:
    label = QLabel("–")
    font = label.font()
    font.setPointSizeF(font.pointSizeF() * scale)
    font.setBold(True)
    label.setFont(font)
    label.setAccessibleName(name)
    return label


def _caption(text: str) -> QLabel:
    label = QLabel(text)
    label.setProperty("muted", True)
    font = label.font()
    font.setPointSizeF(font.pointSizeF() * 0.88)
    label.setFont(font)
    return label


def _separator() -> QFrame:
    return QFrame(objectName="Separator")
