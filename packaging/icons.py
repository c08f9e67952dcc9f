"""The program's icon in the form that each system wants, drawn from the one SVG file."""

import os
import struct
import sys
from pathlib import Path

SIZES = (16, 32, 48, 64, 128, 256, 512)
# What Apple calls a PNG of each size.
_ICNS_KINDS = {128: b"ic07", 256: b"ic08", 512: b"ic09"}


def png(svg: Path, size: int) -> bytes:
    """The drawing as a square PNG picture."""
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    from PySide6.QtCore import QBuffer, QIODevice, QRectF, Qt
    from PySide6.QtGui import QGuiApplication, QImage, QPainter
    from PySide6.QtSvg import QSvgRenderer

    application = QGuiApplication.instance() or QGuiApplication([])
    image = QImage(size, size, QImage.Format.Format_ARGB32)
    image.fill(Qt.GlobalColor.transparent)
    painter = QPainter(image)
    QSvgRenderer(str(svg)).render(painter, QRectF(0, 0, size, size))
    painter.end()
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    image.save(buffer, "PNG")
    del application
    return bytes(buffer.data().data())


def ico(svg: Path) -> bytes:
    """A Windows icon: a table of sizes and places, then the pictures as PNG."""
    pictures = [(size, png(svg, size)) for size in SIZES if size <= 256]
    table, place = struct.pack("<HHH", 0, 1, len(pictures)), 6 + 16 * len(pictures)
    for size, picture in pictures:
        table += struct.pack("<BBBBHHII", size % 256, size % 256, 0, 0, 1, 32, len(picture), place)
        place += len(picture)
    return table + b"".join(picture for _, picture in pictures)


def icns(svg: Path) -> bytes:
    """An Apple icon: each picture as PNG behind its kind and length."""
    parts = [(kind, png(svg, size)) for size, kind in _ICNS_KINDS.items()]
    body = b"".join(kind + struct.pack(">I", 8 + len(picture)) + picture for kind, picture in parts)
    return b"icns" + struct.pack(">I", 8 + len(body)) + body


def for_system(svg: Path, folder: Path) -> str | None:
    """The path of the icon that a program on this system carries in itself; Linux knows none."""
    made = {"win32": ("s3d-chat.ico", ico), "darwin": ("s3d-chat.icns", icns)}.get(sys.platform)
    if made is None:
        return None
    path = folder / made[0]
    path.write_bytes(made[1](svg))
    return str(path)
