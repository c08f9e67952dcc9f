"""The page that lists every key."""

from PySide6.QtWidgets import QGridLayout, QLabel, QScrollArea, QWidget

from app.ui.language import translate
from app.ui.settings.page import framed
from app.ui.shortcuts import MESSAGE, TABLE, WINDOW, title


class KeysPage(QScrollArea):
    """What each key does, read from the table that the shortcuts are made from."""

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        column = framed(self)
        grid = QGridLayout()
        grid.setHorizontalSpacing(24)
        grid.setVerticalSpacing(9)
        grid.setColumnStretch(1, 1)
        self.shown: dict[str, QLabel] = {}
        for where in (WINDOW, MESSAGE):
            head = QLabel(translate("Shortcuts", where))
            font = head.font()
            font.setBold(True)
            head.setFont(font)
            grid.addWidget(head, grid.rowCount(), 0, 1, 2)
            for entry in TABLE:
                if entry.where == where:
                    keys = QLabel(entry.said, objectName="Keys")
                    keys.setAccessibleName(f"{title(entry)}: {entry.said}")
                    row = grid.rowCount()
                    grid.addWidget(keys, row, 0)
                    grid.addWidget(QLabel(title(entry)), row, 1)
                    self.shown[entry.name] = keys
        column.addLayout(grid)
        column.addStretch(1)

    def renew(self) -> None:
        """The style sheet does it all."""
