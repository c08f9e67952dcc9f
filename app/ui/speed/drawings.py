"""The speed panel's drawings of the model and its drafts: the stack of layers, acceptance per slot."""

from PySide6.QtCore import QEvent, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFont, QFontMetrics, QPainter
from PySide6.QtWidgets import QSizePolicy, QWidget

from app.ui.language import translate
from app.ui.theme import colours


def kept_layers(depth: int, skipped: int) -> tuple[int, ...]:
    """The layers a draft pass runs: the middle `skipped` are left out, of an odd rest the first part gets more."""
    kept = max(0, depth - skipped)
    first = (kept + 1) // 2
    return tuple(range(first)) + tuple(range(depth - (kept - first), depth))


class Drawing(QWidget):
    """A picture that paints itself by `draw`; it is `picture_height` pixels and `text_lines` of small text high."""

    picture_height = 60
    text_lines = 0

    def __init__(self, name: str, parent=None):
        super().__init__(parent)
        self.setAccessibleName(name)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._fit()

    @property
    def small_font(self) -> QFont:
        """The font to paint with."""
        font = self.font()
        font.setPointSizeF(font.pointSizeF() * 0.8)
        return font

    @property
    def line(self) -> int:
        """Pixels that a line of text takes."""
        return QFontMetrics(self.small_font).height()

    def sizeHint(self) -> QSize:
        return QSize(200, self.minimumHeight())

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.FontChange:
            self._fit()

    def paintEvent(self, event) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(self.small_font)
        try:
            self.draw(painter)
        finally:
            painter.end()

    def _fit(self) -> None:
        self.setFixedHeight(self.picture_height + self.text_lines * self.line)

    def draw(self, painter: QPainter) -> None:
        """Draw into the widget."""
        raise NotImplementedError


class LayerStack(Drawing):
    """The model's layers from input to output; those a draft skips are dimmed."""

    picture_height = 34

    def __init__(self, parent=None):
        super().__init__(translate("Speed", "Layers"), parent)
        self._depth = self._skipped = 0

    def show_layers(self, depth: int, skipped: int, drafting: bool) -> None:
        """`skipped` of `depth` layers are left out of the draft pass."""
        self._depth, self._skipped = depth, skipped if drafting else 0
        said = self.tr("{skipped} of {depth} layers are skipped in the middle while drafting").format(
            skipped=self._skipped, depth=depth
        )
        self.setAccessibleDescription(said)
        self.setToolTip(said)
        self.update()

    def draw(self, painter: QPainter) -> None:
        """One bar per layer."""
        if not self._depth:
            return
        ink, kept = colours(), set(kept_layers(self._depth, self._skipped))
        step = self.width() / self._depth
        gap = 2.0 if step > 5 else 1.0
        painter.setPen(Qt.PenStyle.NoPen)
        for layer in range(self._depth):
            on = layer in kept
            bar = QRectF(layer * step, 2 if on else 11, step - gap, 30 if on else 12)
            painter.setBrush(QColor(ink.accent if on else ink.line))
            painter.drawRoundedRect(bar, min(2.5, step / 3), min(2.5, step / 3))


class SlotBars(Drawing):
    """For each place in a draft, how often the drafts up to it were accepted."""

    picture_height, text_lines = 48, 2

    def __init__(self, parent=None):
        super().__init__(translate("Speed", "Acceptance per slot"), parent)
        self._shares: list[float] = []
        self._slots = 0

    def show_shares(self, shares: list[float], slots: int) -> None:
        """Shares from 0 to 1 per slot; at least `slots` places are drawn."""
        self._shares, self._slots = shares, max(slots, len(shares))
        said = ", ".join(
            self.tr("slot {number}: {share:.0%}").format(number=number, share=share)
            for number, share in enumerate(shares, 1)
        )
        self.setAccessibleDescription(said or self.tr("nothing drafted yet"))
        self.setToolTip(
            self.tr("How often a draft was accepted, by its place in the draft")
            + "\n"
            + (said or self.tr("Nothing drafted yet"))
        )
        self.update()

    def draw(self, painter: QPainter) -> None:
        """One bar per slot with its share above it."""
        if not self._slots:
            return
        ink, gap = colours(), 8
        width = min(2.7 * self.line, (self.width() - gap * (self._slots - 1)) / self._slots)
        top, bottom = self.line + 1, self.height() - self.line - 1
        for slot in range(self._slots):
            x = slot * (width + gap)
            share = self._shares[slot] if slot < len(self._shares) else None
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(ink.raised))
            painter.drawRoundedRect(QRectF(x, top, width, bottom - top), 3, 3)
            if share is not None:
                painter.setBrush(QColor(ink.speed))
                high = max(2.0, share * (bottom - top))
                painter.drawRoundedRect(QRectF(x, bottom - high, width, high), 3, 3)
                painter.setPen(QColor(ink.text))
                box = QRectF(x - gap / 2, 0, width + gap, top - 1)
                painter.drawText(box, Qt.AlignmentFlag.AlignCenter, f"{share:.0%}")
            painter.setPen(QColor(ink.muted))
            below = QRectF(x, bottom + 1, width, self.line)
            painter.drawText(below, Qt.AlignmentFlag.AlignCenter, str(slot + 1))
