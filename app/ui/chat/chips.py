"""The files that go with the next message, as chips."""

import contextlib
import threading
from pathlib import Path

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QFontMetrics
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QScrollArea, QToolButton, QVBoxLayout, QWidget

from app.attach.read import Attachment, AttachmentError, read
from app.ui.icons import icon, pixmap
from app.ui.theme import colours

MOST_FILES = 20
_NAME_WIDTH = 190


class Chip(QFrame):
    """One file: its name, its tokens once they are counted, and a button that takes it away.

    Signals:
        removed: the user does not want it.
    """

    removed = Signal()

    def __init__(self, name: str, parent: QWidget | None = None):
        super().__init__(parent)
        self.setObjectName("Chip")
        self.name = name
        self.file: Attachment | None = None
        self._picture = QLabel()
        self._picture.setFixedSize(16, 16)
        self._picture.setScaledContents(True)
        self._label = QLabel()
        self.tokens = QLabel(self.tr("reading …"))
        self.tokens.setProperty("muted", True)
        self.close_button = QToolButton(toolTip=self.tr("Do not send this file"))
        self.close_button.setAccessibleName(self.tr("Remove {name}").format(name=name))
        self.close_button.setProperty("small", True)
        self.close_button.setIconSize(QSize(14, 14))
        self.close_button.clicked.connect(self.removed)
        row = QHBoxLayout(self)
        row.setContentsMargins(9, 3, 3, 3)
        row.setSpacing(6)
        for part in (self._picture, self._label, self.tokens, self.close_button):
            row.addWidget(part)
        self.renew()
        self._describe()

    def show_file(self, file: Attachment) -> None:
        """The file is read."""
        self.file = file
        self.tokens.setText(self.tr("{letters} letters").format(letters=f"{len(file.text):,}"))
        self._describe()

    def show_tokens(self, tokens: int) -> None:
        """The model's tokenizer makes so many tokens of it."""
        self.tokens.setText(self.tr("{tokens} tokens").format(tokens=f"{tokens:,}"))
        self._describe()

    def renew(self) -> None:
        """Take the theme's present colours and fonts."""
        self._picture.setPixmap(pixmap("file", 48, colours().muted))
        self.close_button.setIcon(icon("close", colours().muted))
        metrics = QFontMetrics(self._label.font())
        self._label.setText(metrics.elidedText(self.name, Qt.TextElideMode.ElideMiddle, _NAME_WIDTH))

    def _describe(self) -> None:
        self.setToolTip(f"{self.name}, {self.tokens.text()}")
        self.setAccessibleName(f"{self.name}, {self.tokens.text()}")


class Chips(QFrame):
    """A row of chips that scrolls sideways; not shown while it is empty.

    Signals:
        changed: files came, were read, or went.
        refused: a sentence about a file that cannot be attached.
    """

    changed = Signal()
    refused = Signal(str)
    _read = Signal(object, object)

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self.setObjectName("Chips")
        self.setAccessibleName(self.tr("Attached files"))
        inside = QWidget(objectName="ChipRow")
        self._row = QHBoxLayout(inside)
        self._row.setContentsMargins(0, 0, 0, 0)
        self._row.setSpacing(6)
        self._row.addStretch(1)
        scroll = QScrollArea(widgetResizable=True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        scroll.setWidget(inside)
        self._scroll = scroll
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 2)
        column.addWidget(scroll)
        self.chips: list[Chip] = []
        self._read.connect(self._on_read)
        self._renew_shown()

    @property
    def files(self) -> list[Attachment]:
        """The files that are read, in order."""
        return [chip.file for chip in self.chips if chip.file is not None]

    @property
    def reading(self) -> bool:
        """A file is still being read."""
        return any(chip.file is None for chip in self.chips)

    def add_paths(self, paths: list[Path]) -> None:
        """Read files in a thread of their own: a large PDF takes seconds."""
        room = MOST_FILES - len(self.chips)
        if len(paths) > room:
            self.refused.emit(
                self.tr("At most {most} files go with one message: send some of them first.").format(most=MOST_FILES)
            )
        chips = [(self._add(path.name), path) for path in paths[: max(0, room)]]
        if chips:
            threading.Thread(target=self._read_all, args=(chips,), name="attach", daemon=True).start()
            self._tell()

    def set_files(self, files: list[Attachment]) -> None:
        """Show these files in the place of all others."""
        for chip in self.chips:
            self._drop(chip)
        self.chips.clear()
        for file in files:
            self._add(file.name).show_file(file)
        self._tell()

    def show_tokens(self, tokens: list[int]) -> None:
        """The tokens of `files`, in order; a count of other files says nothing."""
        read_chips = [chip for chip in self.chips if chip.file is not None]
        if len(read_chips) == len(tokens):
            for chip, count in zip(read_chips, tokens, strict=True):
                chip.show_tokens(count)
            self._renew_shown()

    def renew(self) -> None:
        """Take the theme's present colours and fonts."""
        for chip in self.chips:
            chip.renew()
        self._renew_shown()

    # -- inside --------------------------------------------------------------------------------------------------

    def _add(self, name: str) -> Chip:
        chip = Chip(name)
        chip.removed.connect(lambda: self._remove(chip))
        self.chips.append(chip)
        self._row.insertWidget(self._row.count() - 1, chip)
        return chip

    def _remove(self, chip: Chip) -> None:
        if chip in self.chips:
            self.chips.remove(chip)
            self._drop(chip)
            self._tell()

    def _drop(self, chip: Chip) -> None:
        self._row.removeWidget(chip)
        chip.hide()
        chip.deleteLater()

    def _read_all(self, chips: list[tuple[Chip, Path]]) -> None:
        for chip, path in chips:
            found: Attachment | str
            try:
                found = read(path)
            except AttachmentError as error:
                found = str(error)
            with contextlib.suppress(RuntimeError):  # the window was closed meanwhile
                self._read.emit(chip, found)

    def _on_read(self, chip: Chip, found: Attachment | str) -> None:
        if chip not in self.chips:
            return
        if isinstance(found, Attachment):
            chip.show_file(found)
            self._tell()
        else:
            self._remove(chip)
            self.refused.emit(found)

    def _tell(self) -> None:
        self._renew_shown()
        self.changed.emit()

    def _renew_shown(self) -> None:
        self.setVisible(bool(self.chips))
        if self.chips:
            bar = self._scroll.horizontalScrollBar().sizeHint().height()
            self._scroll.setFixedHeight(max(chip.sizeHint().height() for chip in self.chips) + bar)
