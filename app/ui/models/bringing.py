"""Bringing in models that the user has: by dialog or by drag and drop, copied or used where they lie."""

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QFileDialog, QMenu, QMessageBox

from app.models import imports

if TYPE_CHECKING:
    from app.ui.models.library import LibraryDialog


class Bringing(QObject):
    """The library's imports."""

    def __init__(self, page: "LibraryDialog"):
        super().__init__(page)
        self._page = page

    def menu(self) -> QMenu:
        """What the import button offers."""
        menu = QMenu(self._page)
        menu.addAction(self.tr("A GGUF file …"), self._choose_file)
        menu.addAction(self.tr("A folder with safetensors …"), self._choose_folder)
        return menu

    def drag(self, event) -> None:
        """Something is dragged over the page: take files and folders."""
        if self._dropped(event) is not None:
            event.acceptProposedAction()

    def drop(self, event) -> None:
        """Something was dropped on the page."""
        path = self._dropped(event)
        if path is not None:
            event.acceptProposedAction()
            self.ask(path)

    def ask(self, path: Path) -> QMessageBox:
        """Ask whether to copy a model or to use it where it lies; returns the question."""
        box = QMessageBox(self._page)
        box.setIcon(QMessageBox.Icon.Question)
        box.setText(self.tr("Copy {name} into the library, or use it where it lies?").format(name=path.name))
        box.setInformativeText(
            self.tr("A copy is checked against its digests later on; one used in place takes no more disk.")
        )
        copy = box.addButton(self.tr("Copy"), QMessageBox.ButtonRole.AcceptRole)
        place = box.addButton(self.tr("Use in place"), QMessageBox.ButtonRole.AcceptRole)
        box.addButton(QMessageBox.StandardButton.Cancel)
        box.setDefaultButton(copy)
        copy.clicked.connect(lambda: self.bring(path, in_place=False))
        place.clicked.connect(lambda: self.bring(path, in_place=True))
        box.finished.connect(box.deleteLater)
        box.open()
        return box

    def bring(self, path: Path, in_place: bool) -> None:
        """Import a model."""
        page = self._page
        page.tasks.run(
            lambda report: imports.import_in_place(path) if in_place else imports.import_copy(path, report),
            lambda model: page.worked(self.tr("{name} is imported.").format(name=model.name)),
            page.failed,
        )

    def _choose_file(self) -> None:
        name, _ = QFileDialog.getOpenFileName(self._page, self.tr("Import a GGUF file"), "", self.tr("Models (*.gguf)"))
        if name:
            self.ask(Path(name))

    def _choose_folder(self) -> None:
        name = QFileDialog.getExistingDirectory(self._page, self.tr("Import a folder with safetensors"))
        if name:
            self.ask(Path(name))

    @staticmethod
    def _dropped(event) -> Path | None:
        urls = event.mimeData().urls()
        return Path(urls[0].toLocalFile()) if len(urls) == 1 and urls[0].isLocalFile() else None
