"""The strip above the pages: which chats the settings are for, and the named presets."""

from collections.abc import Callable

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFrame, QGridLayout, QHBoxLayout, QInputDialog, QLabel, QPushButton, QWidget

from app.settings.values import ChatSettings
from app.ui.box import Box
from app.ui.settings.preferences import Preferences
from s3d_core.errors import SettingError


class PresetBar(QFrame):
    """Signals:
    scope_changed: the settings shown are now those of the other scope.
    said: (sentence, what undoes it or None).
    """

    scope_changed = Signal()
    said = Signal(str, object)

    def __init__(self, preferences: Preferences, parent: QWidget | None = None):
        super().__init__(parent)
        self.setObjectName("PresetBar")
        self._preferences = preferences
        self.scope = Box(toolTip=self.tr("Which chats these settings are for"))
        self.scope.setAccessibleName(self.tr("Settings of"))
        self.scope.addItem(self.tr("All chats"), False)
        self.scope.addItem(self.tr("This chat only"), True)
        self.scope.currentIndexChanged.connect(lambda row: self.scope_changed.emit())
        self.presets = Box(toolTip=self.tr("Settings that are kept under a name"))
        self.presets.setAccessibleName(self.tr("Preset"))
        self.presets.setPlaceholderText(self.tr("No preset yet"))
        self.presets.setMinimumWidth(130)
        self.use = self._button(self.tr("Apply"), self.tr("Take the settings of this preset"), self._apply)
        self.keep = self._button(
            self.tr("Save as …"), self.tr("Keep the settings shown as a preset"), lambda: self._ask_name(self._save)
        )
        self.rename = self._button(
            self.tr("Rename …"), self.tr("Give this preset another name"), lambda: self._ask_name(self._rename, True)
        )
        self.delete = self._button(self.tr("Delete"), self.tr("Forget this preset"), self._delete)
        grid = QGridLayout(self)
        grid.setContentsMargins(22, 10, 22, 10)
        grid.setColumnStretch(2, 1)
        grid.addWidget(QLabel(self.tr("Settings of")), 0, 0)
        grid.addWidget(self.scope, 0, 1)
        grid.addWidget(QLabel(self.tr("Preset")), 1, 0)
        grid.addWidget(self.presets, 1, 1)
        row = QHBoxLayout()
        row.setSpacing(6)
        for button in (self.use, self.keep, self.rename, self.delete):
            row.addWidget(button)
        row.addStretch(1)
        grid.addLayout(row, 1, 2)
        self.show_presets()

    @property
    def only_this(self) -> bool:
        """The settings shown are those of one chat."""
        return bool(self.scope.currentData())

    @property
    def chosen(self) -> str:
        """The preset chosen, or ""."""
        return self.presets.currentText()

    def show_presets(self) -> None:
        """Show the presets there are; the chosen one stays chosen."""
        names, chosen = list(self._preferences.settings.presets), self.chosen
        if names != [self.presets.itemText(row) for row in range(self.presets.count())]:
            self.presets.clear()
            self.presets.addItems(names)
            self.presets.setCurrentIndex(max(0, self.presets.findText(chosen)))
        for button in (self.use, self.rename, self.delete):
            button.setEnabled(bool(names))

    def _button(self, text: str, tip: str, do: Callable[[], None]) -> QPushButton:
        button = QPushButton(text, toolTip=tip, autoDefault=False)
        button.clicked.connect(do)
        return button

    def _apply(self) -> None:
        self._preferences.apply_preset(self.chosen, self.only_this)
        self.said.emit(self.tr("“{name}” is in use.").format(name=self.chosen), None)

    def _delete(self) -> None:
        name, before = self.chosen, dict(self._preferences.settings.presets)
        self._preferences.delete_preset(name)

        def undo(presets: dict[str, ChatSettings] = before) -> None:
            self._preferences.put_presets_back(presets)
            self.presets.setCurrentText(name)

        self.said.emit(self.tr("“{name}” is deleted.").format(name=name), undo)

    def _ask_name(self, then: Callable[[str], None], rename: bool = False) -> None:
        box = QInputDialog(self)
        box.setWindowTitle(self.tr("Rename preset") if rename else self.tr("Save preset"))
        box.setLabelText(self.tr("Name of the preset"))
        box.setTextValue(self.chosen if rename else "")
        box.textValueSelected.connect(then)
        box.finished.connect(box.deleteLater)
        box.open()

    def _save(self, name: str) -> None:
        # What is typed over another is no loss that cannot be undone.
        before = dict(self._preferences.settings.presets)
        if self._try(lambda: self._preferences.save_preset(name)):
            name = " ".join(name.split())
            self.presets.setCurrentText(name)
            undo = (lambda: self._preferences.put_presets_back(before)) if name in before else None
            self.said.emit(self.tr("The settings are kept as “{name}”.").format(name=name), undo)

    def _rename(self, name: str) -> None:
        old = self.chosen
        if self._try(lambda: self._preferences.rename_preset(old, name)):
            self.presets.setCurrentText(" ".join(name.split()))
            self.said.emit("", None)

    def _try(self, do: Callable[[], None]) -> bool:
        try:
            do()
        except SettingError as error:
            self.said.emit(str(error), None)
            return False
        return True
