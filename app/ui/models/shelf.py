"""The scrolled list of the library: three sections of rows, filtered by what is typed."""

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QScrollArea, QVBoxLayout, QWidget

from app.ui.models.gpu import GpuRow
from app.ui.models.rows import ModelRow


class Section(QWidget):
    """A heading with rows below it; hidden while none is shown."""

    def __init__(self, heading: str, parent=None):
        super().__init__(parent)
        self.rows: list[ModelRow] = []
        self._hint = ""
        title = QLabel(heading)
        title.setAccessibleName(heading)
        font = title.font()
        font.setBold(True)
        font.setPointSizeF(font.pointSizeF() * 1.1)
        title.setFont(font)
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 10)
        self._column.setSpacing(6)
        self._column.addWidget(title)
        self.hide()

    def set_rows(self, rows: Sequence[ModelRow], filtered: str) -> None:
        """Put rows in the place of those that are here; rows that are in both stay as they are."""
        for row in self.rows:
            if row not in rows:
                self._column.removeWidget(row)
                row.hide()
                row.deleteLater()
        for at, row in enumerate(rows):
            if self._column.indexOf(row) != at + 1:
                self._column.insertWidget(at + 1, row)
        self.rows = list(rows)
        self.filter(filtered)

    def filter(self, text: str) -> None:
        """Show the rows in which each word of `text` occurs."""
        wanted = text.lower().split()
        for row in self.rows:
            said = f"{row.name} {row.accessibleDescription()} {row.toolTip()}".lower()
            row.setVisible(not row.is_left_out and all(word in said for word in wanted))
        self.setVisible(any(not row.isHidden() for row in self.rows))


class Shelf(QScrollArea):
    """Downloads, models that are here, and models that can be fetched."""

    def __init__(self, parent=None):
        super().__init__(parent)
        self.setAccessibleName(self.tr("Models"))
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.downloads = Section(self.tr("Downloads"))
        self.installed = Section(self.tr("On this computer"))
        self.available = Section(self.tr("To download"))
        self.nothing = QLabel(wordWrap=True)
        self.nothing.setProperty("muted", True)
        self.nothing.setAlignment(Qt.AlignmentFlag.AlignCenter)
        page = QWidget(objectName="Column")
        column = QVBoxLayout(page)
        column.setContentsMargins(0, 0, 8, 0)
        column.setSpacing(0)
        self.gpu = GpuRow()
        column.addWidget(self.gpu)
        for part in (self.downloads, self.installed, self.available, self.nothing):
            column.addWidget(part)
        column.addStretch()
        self.setWidget(page)
        self._text = ""

    def showEvent(self, event) -> None:
        super().showEvent(event)
        self.gpu.watch()

    def hideEvent(self, event) -> None:
        super().hideEvent(event)
        self.gpu.rest()

    @property
    def text(self) -> str:
        """What the rows are filtered by."""
        return self._text

    def filter(self, text: str) -> None:
        """Show only rows with these words, and say what to do when there are none."""
        self._text = text
        sections = (self.downloads, self.installed, self.available)
        for section in sections:
            section.filter(text)
        self.nothing.setVisible(all(section.isHidden() for section in sections))
        self.nothing.setText(
            self.tr("No model here is called “{name}”. Type owner/name to fetch any from the hub.").format(
                name=text.strip()
            )
        )

    def follow(self, widget: QWidget | None) -> None:
        """Scroll to a part that got the keyboard."""
        page = self.widget()
        if widget is not None and page is not None and page.isAncestorOf(widget):
            self.ensureWidgetVisible(widget, 0, 40)
