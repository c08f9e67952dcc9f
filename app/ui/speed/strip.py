"""Round after round, what was drafted and what became of it."""

from collections import deque

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QMouseEvent, QPainter
from PySide6.QtWidgets import QToolTip

from app.ui.language import QT_TRANSLATE_NOOP, translate
from app.ui.speed.drawings import Drawing
from app.ui.theme import colours
from s3d_core.stats import Round

COLUMN = 5.0
_CELL_MOST, _CELL_LEAST = 6.0, 3.0
_USES_LAYERS = ("skip", "s3d")
_DRAFTED_BY = {
    "s3d": "S3D",
    "skip": QT_TRANSLATE_NOOP("Speed", "the model's own layers"),
    "lookup": QT_TRANSLATE_NOOP("Speed", "a copy"),
}


def said_of(number: int, done: Round) -> str:
    """A round in words, with its numbers."""
    ms = f"{done.total_ms:.1f}"
    tokens, skipped = len(done.ids), done.settings.skipped
    time = translate("Speed", "%n token(s) in {ms} ms", "", tokens).format(ms=ms)
    if not done.drafted:
        return translate("Speed", "Round {number}: a plain step, {time}").format(number=number, time=time)
    by = translate("Speed", _DRAFTED_BY.get(done.settings.strategy, done.settings.strategy))
    head = translate("Speed", "Round {number}: {drafted} drafted by {by}").format(
        number=number, drafted=done.drafted, by=by
    )
    if done.settings.strategy in _USES_LAYERS:
        head += ", " + translate("Speed", "%n layer(s) skipped", "", skipped)
    became = translate("Speed", "{accepted} accepted, {rejected} rejected").format(
        accepted=done.accepted, rejected=done.drafted - done.accepted
    )
    times = translate("Speed", "{draft:.1f} ms to draft, {check:.1f} ms to check").format(
        draft=done.draft_ms, check=done.verify_ms
    )
    return f"{head}\n{became}\n{time}: {times}"


class RoundStrip(Drawing):
    """One column a round: accepted drafts solid at the bottom, rejected ones light above; plain steps are a dot."""

    picture_height, text_lines = 54, 1

    def __init__(self, parent=None):
        super().__init__(translate("Speed", "Rounds"), parent)
        self.setMouseTracking(True)
        self._rounds: deque[tuple[int, Round]] = deque(maxlen=400)
        self._count = 0
        self._hovered: int | None = None
        self.clear()

    def clear(self) -> None:
        """A new reply begins."""
        self._rounds.clear()
        self._count = 0
        self.setAccessibleDescription(self.tr("no rounds yet"))
        self.update()

    def add(self, rounds: list[Round]) -> None:
        """Rounds that were done."""
        for done in rounds:
            if done.ids:
                self._count += 1
                self._rounds.append((self._count, done))
        if self._rounds:
            self.setAccessibleDescription(said_of(*self._rounds[-1]))
        self.update()

    @property
    def shown(self) -> list[tuple[int, Round]]:
        """The rounds that fit, numbered from 1, oldest first."""
        fitting = max(1, int(self.width() / COLUMN))
        return list(self._rounds)[-fitting:]

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Tell the numbers of the round under the mouse."""
        column, shown = int(event.position().x() / COLUMN), self.shown
        if 0 <= column < len(shown):
            self._hovered = column
            QToolTip.showText(event.globalPosition().toPoint(), said_of(*shown[column]), self)
        else:
            self._hovered = None
            QToolTip.hideText()
        self.update()

    def leaveEvent(self, event) -> None:
        """Nothing is under the mouse."""
        self._hovered = None
        self.update()

    def draw(self, painter: QPainter) -> None:
        """The legend, and the columns below it."""
        ink, shown = colours(), self.shown
        self._draw_legend(painter)
        top, bottom = self.line + 3.0, self.height() - 2.0
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        if self._hovered is not None and self._hovered < len(shown):
            painter.fillRect(QRectF(self._hovered * COLUMN - 0.5, top, COLUMN, bottom - top), QColor(ink.raised))
        painter.fillRect(QRectF(0, bottom, self.width(), 1), QColor(ink.line))
        most = max((done.drafted for _, done in shown), default=1)
        cell = min(_CELL_MOST, (bottom - top) / max(1, most))
        solid, light, dot = QColor(ink.speed), QColor(ink.rejected), QColor(ink.muted)
        for column, (_, done) in enumerate(shown):
            x = column * COLUMN
            if not done.drafted:
                painter.fillRect(QRectF(x + 1, bottom - 2, COLUMN - 3, 2), dot)
                continue
            for first, last, colour in ((0, done.accepted, solid), (done.accepted, done.drafted, light)):
                self._draw_cells(painter, QRectF(x, bottom, COLUMN - 1, -cell), first, last, colour)

    def _draw_cells(self, painter: QPainter, unit: QRectF, first: int, last: int, colour: QColor) -> None:
        """Cells `first` to `last` above `unit`'s lower edge; too small ones run together."""
        high = -unit.height()
        if high < _CELL_LEAST:
            painter.fillRect(QRectF(unit.x(), unit.y() - last * high, unit.width(), (last - first) * high), colour)
            return
        for cell in range(first, last):
            painter.fillRect(QRectF(unit.x(), unit.y() - (cell + 1) * high, unit.width(), high - 1), colour)

    def _draw_legend(self, painter: QPainter) -> None:
        ink, x = colours(), 0.0
        for text, colour, small in (
            (self.tr("accepted"), ink.speed, 8),
            (self.tr("rejected"), ink.rejected, 8),
            (self.tr("plain step"), ink.muted, 3),
        ):
            painter.setPen(Qt.PenStyle.NoPen)
            painter.fillRect(QRectF(x, 0.75 * self.line - small, small if small > 3 else 6, small), QColor(colour))
            painter.setPen(QColor(ink.muted))
            wide = painter.fontMetrics().horizontalAdvance(text)
            painter.drawText(QRectF(x + 12, 0, wide + 2, self.line), Qt.AlignmentFlag.AlignVCenter, text)
            x += 12 + wide + 14
