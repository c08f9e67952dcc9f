"""Our own icons: drawn as SVG strokes, coloured when used."""

from PySide6.QtCore import QByteArray, QRectF, Qt
from PySide6.QtGui import QIcon, QPainter, QPixmap, QPixmapCache
from PySide6.QtSvg import QSvgRenderer

from app.ui.resources import resource
from app.ui.theme import colours


def icon(name: str, colour: str | None = None, disabled: str | None = None) -> QIcon:
    """The drawing `resources/icons/<name>.svg` in a colour, by default the text's."""
    made = QIcon()
    for mode, ink in (
        (QIcon.Mode.Normal, colour or colours().text),
        (QIcon.Mode.Disabled, disabled or colours().muted),
    ):
        for size in (18, 36, 72):
            made.addPixmap(pixmap(name, size, ink), mode)
    return made


def pixmap(name: str, size: int, colour: str) -> QPixmap:
    """The drawing as a square picture of `size` pixels; made once while Qt remembers it."""
    key, picture = f"{name} {size} {colour}", QPixmap()
    if QPixmapCache.find(key, picture):
        return picture
    drawing = resource("icons", f"{name}.svg").read_text(encoding="utf-8").replace("currentColor", colour)
    picture = QPixmap(size, size)
    picture.fill(Qt.GlobalColor.transparent)
    painter = QPainter(picture)
    QSvgRenderer(QByteArray(drawing.encode())).render(painter, QRectF(0, 0, size, size))
    painter.end()
    QPixmapCache.insert(key, picture)
    return picture
