"""How a row of the list is drawn: a heading, or a title with what a search found below it."""

from PySide6.QtCore import QRect, QSize, Qt
from PySide6.QtGui import QColor, QFont, QFontMetrics, QPainter
from PySide6.QtWidgets import QLineEdit, QStyle, QStyledItemDelegate, QStyleOptionViewItem

from app.ui.chats.model import ROW, Index, Row
from app.ui.icons import pixmap
from app.ui.theme import colours

_PAD, _ROUND, _PIN = 10, 7, 14


class ChatDelegate(QStyledItemDelegate):
    """Draws rows and lets a title be edited in place."""

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        row: Row = index.data(ROW)
        ink, area = colours(), QRect(option.rect)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if row.chat is None:
            painter.setFont(_small(option.font, bold=True))
            painter.setPen(QColor(ink.muted))
            area.adjust(_PAD, 0, -_PAD, -3)
            painter.drawText(area, Qt.AlignmentFlag.AlignBottom | Qt.AlignmentFlag.AlignLeft, row.text)
            painter.restore()
            return
        chosen = bool(option.state & QStyle.StateFlag.State_Selected)
        hovered = bool(option.state & QStyle.StateFlag.State_MouseOver)
        if chosen or hovered:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(ink.accent_soft if chosen else ink.raised))
            painter.drawRoundedRect(area.adjusted(0, 1, 0, -1), _ROUND, _ROUND)
        if option.state & QStyle.StateFlag.State_HasFocus:
            painter.setPen(QColor(ink.accent))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(area.adjusted(0, 1, -1, -2), _ROUND, _ROUND)
        area.adjust(_PAD, 0, -_PAD, 0)
        if row.chat.pinned:
            at = QRect(area.right() - _PIN + 1, area.top() + (_title_height(option) - _PIN) // 2, _PIN, _PIN)
            painter.drawPixmap(at, pixmap("pin", 3 * _PIN, ink.muted))
            area.setRight(area.right() - _PIN - 6)
        title = QRect(area.left(), area.top(), area.width(), _title_height(option))
        painter.setFont(option.font)
        painter.setPen(QColor(ink.text))
        middle = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft
        elide = Qt.TextElideMode.ElideRight
        painter.drawText(title, middle, QFontMetrics(option.font).elidedText(row.text, elide, title.width()))
        if row.excerpt:
            small = _small(option.font)
            painter.setFont(small)
            painter.setPen(QColor(ink.muted))
            below = QRect(area.left(), title.bottom() - 5, area.width(), QFontMetrics(small).height() + 2)
            shown = QFontMetrics(small).elidedText(row.excerpt, elide, below.width())
            painter.drawText(below, middle, shown)
        painter.restore()

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        row: Row = index.data(ROW)
        height = _title_height(option)
        if row.excerpt:
            height += QFontMetrics(_small(option.font)).height()
        return QSize(80, height)

    def createEditor(self, parent, option: QStyleOptionViewItem, index: Index) -> QLineEdit:
        editor = QLineEdit(parent)
        editor.setObjectName("Rename")
        editor.setAccessibleName(self.tr("Title"))
        editor.setToolTip(self.tr("Enter keeps the title, Escape leaves it as it was"))
        return editor


def _title_height(option: QStyleOptionViewItem) -> int:
    return QFontMetrics(option.font).height() + 14


def _small(font: QFont, bold: bool = False) -> QFont:
    small = QFont(font)
    small.setPointSizeF(font.pointSizeF() * 0.87)
    if bold:
        small.setWeight(QFont.Weight.DemiBold)
    return small
