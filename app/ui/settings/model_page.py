"""The page about how a model is run: its precision, why it is that one, and what was measured of each."""

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QPushButton, QWidget

from app.engine.link import EngineLink
from app.engine.phase import Phase
from app.models.precision import Choice, Measured
from app.settings.values import RUNNING
from app.ui.language import QT_TRANSLATE_NOOP, translate
from app.ui.settings.controls import ChoiceControl
from app.ui.settings.page import Page

_WHY = {
    "fastest": QT_TRANSLATE_NOOP(
        "Precision", "{precision} is in use: by measurement the fastest here that keeps the model's own numbers."
    ),
    "memory": QT_TRANSLATE_NOOP(
        "Precision", "{precision} is in use: float32 would be faster here, but does not fit into the memory."
    ),
    "asked": QT_TRANSLATE_NOOP("Precision", "{precision} is in use, as it was chosen."),
    "gpu": QT_TRANSLATE_NOOP("Precision", "{precision} is in use, the usual one on a GPU."),
    "busy": QT_TRANSLATE_NOOP(
        "Precision",
        "{precision} is in use, the usual one here: other programs kept this computer too busy for a measurement.",
    ),
    "unknown": QT_TRANSLATE_NOOP("Precision", "{precision} is in use, the usual one here."),
}
_REFUSED = {
    "processor": QT_TRANSLATE_NOOP(
        "Precision", "It cannot be used here: it needs Linux and a processor with fast products of 8-bit numbers."
    ),
    "matrices": QT_TRANSLATE_NOOP(
        "Precision", "It cannot be used with this model, whose matrices cannot be cut into groups of 8-bit weights."
    ),
    "library": QT_TRANSLATE_NOOP("Precision", "On a GPU it needs the package bitsandbytes."),
    "capability": QT_TRANSLATE_NOOP("Precision", "It needs an NVIDIA GPU of the RTX 30 series or later."),
}


class ModelPage(Page):
    """Settings of how models are run, and below them what came of it.

    Args:
        change, reset: as those of `Page`.
        link: says what is in use and measures again; None where there is no decoder.
    """

    def __init__(
        self,
        change: Callable[[str, Any], None],
        reset: Callable[[str], None],
        link: EngineLink | None = None,
        parent: QWidget | None = None,
    ):
        super().__init__(RUNNING.values(), change, reset, parent)
        self._link = link
        self.eight = _text()
        self.eight.setAccessibleName(self.tr("About int8 and int4"))
        self.used = _text(muted=False)
        self.used.setAccessibleName(self.tr("Precision in use"))
        self.table = _Table()
        self.measured = _text()
        self.measured.setAccessibleName(self.tr("About the measurement"))
        self.again = QPushButton(
            self.tr("Measure again"),
            toolTip=self.tr("Measure every precision anew and load the model again; takes some seconds"),
            autoDefault=False,
        )
        foot = QHBoxLayout()
        foot.addWidget(self.measured, 1)
        foot.addWidget(self.again, 0, Qt.AlignmentFlag.AlignTop)
        for part in (self.eight, self.used, self.table):
            self.column.insertWidget(self.column.count() - 1, part)
        self.column.insertLayout(self.column.count() - 1, foot)
        if link is not None:
            self.again.clicked.connect(link.measure_precisions)
            link.loaded.connect(self.show_choice)
            link.unloaded.connect(self.show_choice)
            link.phase_changed.connect(lambda phase: self._show_button())
        self.show_choice()

    def show_choice(self) -> None:
        """Show what is in use now, and why."""
        info = self._link.info if self._link is not None else None
        choice = self._link.precision.choice if self._link is not None and info is not None else None
        self._show_eight_bits(choice)
        if info is None:
            self.used.setText(self.tr("No model is loaded."))
        else:
            why = _WHY[choice.why if choice is not None else "unknown"]
            self.used.setText(translate("Precision", why).format(precision=info.dtype))
        found = choice.measured if choice is not None else None
        self.table.setVisible(found is not None)
        if found is not None and info is not None:
            self.table.show_measured(found, info.dtype)
        self.measured.setText(self._about(found))
        self._show_button()

    # -- inside --------------------------------------------------------------------------------------------------

    def _show_eight_bits(self, choice: Choice | None) -> None:
        control = self.rows["precision"].control
        assert isinstance(control, ChoiceControl)
        reasons_of = choice.refused if choice is not None else {}
        refused = {name: translate("Precision", _REFUSED[why]) for name, why in reasons_of.items()}
        for precision in ("int8", "int4"):
            control.refuse(precision, refused.get(precision, ""))
        reasons = {why: ", ".join(name for name in refused if refused[name] == why) for why in refused.values()}
        said = self.tr(
            "int8 takes half the memory of bfloat16, int4 a third, and they are the fastest where the processor is "
            "made for them. But these are not the model's own numbers any more: the text may be another, and a little "
            "worse."
        )
        self.eight.setText(" ".join([said, *(f"{names}: {why}" for why, names in reasons.items())]))

    def _about(self, found: Measured | None) -> str:
        if found is None:
            return ""
        about = self.tr("Products with this model's matrices alone, measured on {day}.")
        said = [about.format(day=found.day.isoformat())]
        if not found.steady:
            said.append(self.tr("Other programs were busy meanwhile, so these are rough."))
        used = self._link.info.dtype if self._link is not None and self._link.info is not None else ""
        gain = found.gain("int8", used)
        if gain is not None and used != "int8":
            said.append(self.tr("int8 would write about {gain:.1f} times as fast.").format(gain=gain))
        return " ".join(said)

    def _show_button(self) -> None:
        link = self._link
        on_processor = link is not None and link.info is not None and link.info.device == "cpu"
        self.again.setEnabled(on_processor and link is not None and link.phase == Phase.READY)


class _Table(QWidget):
    """A line for each precision: what its passes take."""

    def __init__(self):
        super().__init__()
        self.grid = QGridLayout(self)
        self.grid.setContentsMargins(0, 0, 0, 0)
        self.grid.setHorizontalSpacing(12)
        self.grid.setVerticalSpacing(6)
        self.setAccessibleName(self.tr("Measured times"))

    def show_measured(self, found: Measured, used: str) -> None:
        """Show the times; the precision in use stands out."""
        while (item := self.grid.takeAt(0)) is not None:
            if (part := item.widget()) is not None:
                part.hide()
                part.deleteLater()
        heads = (
            self.tr("Precision"),
            self.tr("A token, plain"),
            self.tr("17 tokens checked"),
            self.tr("A token, drafted"),
            self.tr("Tokens read"),
        )
        for column, head in enumerate(heads):
            self._put(0, column, head, muted=True)
            self.grid.setColumnStretch(column, 1)
        lines = []
        for row, precision in enumerate((name for name in _ORDER if name in found.ms), 1):
            cells = (
                precision,
                f"{found.plain(precision):.1f} ms",
                f"{found.verify(precision):.1f} ms",
                f"{found.written(precision):.1f} ms",
                self.tr("{speed:,.0f}/s").format(speed=1000 / found.read(precision)),
            )
            for column, cell in enumerate(cells):
                self._put(row, column, cell, bold=precision == used)
            lines.append(", ".join(f"{head}: {cell}" for head, cell in zip(heads, cells, strict=True)))
        self.setAccessibleDescription(". ".join(lines))

    def _put(self, row: int, column: int, text: str, muted: bool = False, bold: bool = False) -> None:
        # In a narrow window a head takes several lines.
        label = QLabel(text, wordWrap=muted)
        label.setProperty("muted", muted)
        font = label.font()
        font.setBold(bold)
        label.setFont(font)
        side = Qt.AlignmentFlag.AlignLeft if column == 0 else Qt.AlignmentFlag.AlignRight
        label.setAlignment(side | Qt.AlignmentFlag.AlignBottom)
        self.grid.addWidget(label, row, column)


_ORDER = ("bfloat16", "float32", "int8")


def _text(muted: bool = True) -> QLabel:
    label = QLabel(wordWrap=True, textFormat=Qt.TextFormat.PlainText)
    label.setProperty("muted", muted)
    return label
