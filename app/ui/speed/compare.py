"""Plain decoding against drafting, side by side, as it was measured."""

from PySide6.QtCore import QRectF, Qt, Signal
from PySide6.QtGui import QColor, QPainter
from PySide6.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget

from app.engine.compare import TOKENS, TURNS, Comparison
from app.ui.language import QT_TRANSLATE_NOOP, translate
from app.ui.speed.controls import caption
from app.ui.speed.drawings import Drawing
from app.ui.theme import colours

_NAMES = {
    "s3d": "S3D",
    "auto": QT_TRANSLATE_NOOP("Speed", "Auto"),
    "skip": QT_TRANSLATE_NOOP("Speed", "Own layers"),
    "lookup": QT_TRANSLATE_NOOP("Speed", "Copies"),
    "plain": QT_TRANSLATE_NOOP("Speed", "Plain"),
}


def how() -> str:
    """How it is measured."""
    return translate(
        "Speed",
        "Continues the last question {runs} times, up to {tokens} tokens each: plain, drafted, plain, drafted, with "
        "this chat's sampling and one seed for all.\nEach speed is tokens over the measured time of both runs; "
        "reading the question is left out.\nThe ticks are the single runs. Nothing is added to the chat.",
    ).format(runs=2 * TURNS, tokens=TOKENS)


class CompareBars(Drawing):
    """Two bars of tokens per second; a tick for each run."""

    picture_height, text_lines = 22, 2

    def __init__(self, parent=None):
        super().__init__(translate("Speed", "Plain against drafted"), parent)
        self._found: Comparison | None = None
        self.setToolTip(how())

    def show_comparison(self, found: Comparison) -> None:
        """Show what was measured."""
        self._found = found
        self.setAccessibleDescription(
            f"{said_of(found)}. {self.tr('Plain')} {_speed_said(found.plain_speed)}. ".replace("\n", " ") + how()
        )
        self.update()

    def draw(self, painter: QPainter) -> None:
        """Name, bar and number, for plain and for drafted."""
        found = self._found
        if found is None:
            return
        ink, metrics = colours(), painter.fontMetrics()
        names = [translate("Speed", _NAMES[name]) for name in ("plain", found.settings.strategy)]
        left = max(metrics.horizontalAdvance(name) for name in names) + 8
        right = metrics.horizontalAdvance(_speed_said(max(found.plain_speed, found.drafted_speed))) + 6
        most = max(run.totals.tokens_per_second for run in (*found.plain, *found.drafted))
        high = self.line + 4
        scale = (self.width() - left - right) / most if most else 0.0
        rows = ((found.plain_speed, found.plain, ink.muted), (found.drafted_speed, found.drafted, ink.speed))
        for row, (name, (speed, runs, colour)) in enumerate(zip(names, rows, strict=True)):
            y = 3 + (self.line + 10) * row
            painter.setPen(QColor(ink.text))
            painter.drawText(QRectF(0, y, left, high), Qt.AlignmentFlag.AlignVCenter, name)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(colour))
            painter.drawRoundedRect(QRectF(left, y + 1, max(2.0, speed * scale), high - 2), 3, 3)
            for run in runs:
                x = left + run.totals.tokens_per_second * scale
                painter.fillRect(QRectF(x - 1, y - 2, 2, high + 4), QColor(ink.text))
            painter.setPen(QColor(ink.text))
            box = QRectF(self.width() - right, y, right, high)
            sides = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight
            painter.drawText(box, sides, _speed_said(speed))


class CompareCard(QWidget):
    """The button that measures, how far it is, and what came out.

    Signals:
        wanted, stop_wanted: the button.
    """

    wanted = Signal()
    stop_wanted = Signal()

    def __init__(self, parent=None):
        super().__init__(parent)
        self._running = False
        self.button = QPushButton(self.tr("Measure"), objectName="Small")
        self.button.clicked.connect(self._on_clicked)
        self.bars = CompareBars()
        self.result = QLabel(wordWrap=True, textFormat=Qt.TextFormat.PlainText)
        self.result.setToolTip(how())
        self.result.setAccessibleName(self.tr("Result of measuring"))
        self.bar = QProgressBar(textVisible=False, maximum=1000)
        self.bar.setAccessibleName(self.tr("Progress of measuring"))
        row = QHBoxLayout()
        row.addWidget(caption(self.tr("Plain against drafted")))
        row.addStretch()
        row.addWidget(self.button)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        column.addLayout(row)
        for part in (self.bar, self.bars, self.result):
            column.addWidget(part)
        self.forget()
        self.set_state(False, False)

    def forget(self) -> None:
        """What was measured holds no longer."""
        self.bars.hide()
        self.result.hide()

    def tell(self, sentence: str) -> None:
        """Why nothing was measured."""
        self.bars.hide()
        self.result.setText(sentence)
        self.result.show()

    def set_state(self, possible: bool, running: bool) -> None:
        """Whether measuring can begin, or runs."""
        self._running = running
        self.button.setText(self.tr("Stop") if running else self.tr("Measure"))
        self.button.setEnabled(possible or running)
        self.button.setToolTip(self.tr("Stop measuring") if running else how())
        self.button.setAccessibleName(
            self.tr("Stop measuring") if running else self.tr("Measure plain against drafted")
        )
        self.bar.setVisible(running)
        self.bar.setValue(0)

    def show_progress(self, done: int, total: int) -> None:
        """So many of all tokens are written."""
        self.bar.setValue(1000 * done // max(1, total))

    def show_comparison(self, found: Comparison | None) -> None:
        """Show what was measured; None where it was stopped."""
        if found is None:
            return
        self.bars.show_comparison(found)
        self.bars.show()
        self.result.setText(said_of(found))
        self.result.show()

    def _on_clicked(self) -> None:
        (self.stop_wanted if self._running else self.wanted).emit()


def _speed_said(speed: float) -> str:
    return translate("Speed", "{speed:.1f} tok/s").format(speed=speed)


def said_of(found: Comparison) -> str:
    """The outcome in two lines: how much faster, and whether the texts are equal."""
    runs = len(found.plain) + len(found.drafted)
    if found.differs_at is None:
        same = translate("Speed", "✓ The same {tokens} tokens in all {runs} runs").format(
            tokens=found.tokens, runs=runs
        )
    elif found.settings.exactness < 1:
        same = translate("Speed", "The texts differ from token {number} on, as the slider towards fast allows").format(
            number=found.differs_at
        )
    else:
        same = translate(
            "Speed", "The texts differ from token {number} on; in half precision rounding can do that"
        ).format(number=found.differs_at)
    return translate("Speed", "{ratio:.2f}× the plain speed").format(ratio=found.ratio) + "\n" + same
