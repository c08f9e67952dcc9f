"""Marking the places of a text in what is shown."""

from PySide6.QtGui import QColor, QTextCharFormat, QTextCursor
from PySide6.QtWidgets import QPlainTextEdit, QTextEdit

from app.ui.theme import colours


def mark_places(part: QTextEdit | QPlainTextEdit, text: str) -> int | None:
    """Mark every place of `text`, whatever its case, in the place of what was marked; "" marks nothing.

    Returns:
        How many pixels the first place is below the upper edge of `part`, or None where there is no place.
    """
    ink, style = colours(), QTextCharFormat()
    style.setBackground(QColor(ink.accent))
    style.setForeground(QColor(ink.on_accent))
    found: list[QTextEdit.ExtraSelection] = []
    cursor = part.document().find(text) if text else QTextCursor()
    while not cursor.isNull():
        place = QTextEdit.ExtraSelection()
        place.cursor, place.format = cursor, style  # type: ignore[attr-defined]
        found.append(place)
        cursor = part.document().find(text, cursor)
    part.setExtraSelections(found)
    if not found:
        return None
    first = QTextCursor(part.document())
    first.setPosition(found[0].cursor.selectionStart())  # type: ignore[attr-defined]
    return part.cursorRect(first).top()
