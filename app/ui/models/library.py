"""The model library: a window beside the chat, in which models are fetched, brought in, loaded and deleted."""

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QSize, Qt, QTimer, Signal
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QApplication,
    QDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QMessageBox,
    QProgressBar,
    QPushButton,
    QToolButton,
    QVBoxLayout,
)

from app.engine.link import EngineLink
from app.hardware import MemoryReading
from app.models import catalogue, embedded, journal, library, remains
from app.models.catalogue import CatalogueEntry
from app.models.downloads import Downloads, State
from app.models.fit import USUAL_CONTEXT, Fit, estimate
from app.models.library import InstalledModel
from app.models.shape import Shape
from app.models.transfer import Patience
from app.models.wanted import Wanted, parse
from app.ui.models.bringing import Bringing
from app.ui.models.rows import CatalogueRow, DownloadRow, InstalledRow
from app.ui.models.shelf import Shelf
from app.ui.models.tasks import Report, Tasks
from app.ui.models.token import TokenDialog
from app.ui.notify import NoticeBar
from s3d_core.errors import ModelError

_LOOK_MS = 200
_FIT_EVERY = 10  # looks


class LibraryDialog(QDialog):
    """Downloads go on while it is hidden; `shut` ends everything.

    Args:
        link: loads and unloads.
        memory: the last look at the memory, or None before the first.

    Signals:
        models_changed: the installed models, after some came or went.
    """

    models_changed = Signal(object)
    _arrived = Signal(object, object)

    def __init__(
        self,
        link: EngineLink,
        memory: Callable[[], MemoryReading | None],
        parent=None,
        patience: Patience | None = None,
    ):
        super().__init__(parent)
        self.setObjectName("Page")
        self.setWindowTitle(self.tr("Models"))
        self.setMinimumSize(QSize(560, 420))
        self.resize(820, 680)
        self.setAcceptDrops(True)
        self.link = link
        self._memory = memory
        self._shapes: dict[str, Shape] = {}
        self._looks = 0
        self.tasks = Tasks(self)
        self.downloads = Downloads(self._arrived.emit, patience)
        self.bringing = Bringing(self)
        self._build()
        self._connect()
        self._look = QTimer(self, interval=_LOOK_MS)
        self._look.timeout.connect(self._show_now)
        self.tasks.run(lambda report: remains.clear_remains(), lambda nothing: None)

    def shut(self) -> None:
        """The program ends: downloads halt, and go on at the next start where they were."""
        self._look.stop()
        self.tasks.close()
        self.downloads.close()
        self.hide()

    def refresh(self) -> None:
        """Look again at what is here."""
        self.tasks.run(_scan, self._show_installed, self.notice.error)

    # -- building ------------------------------------------------------------------------------------------------

    def _build(self) -> None:
        self.search = QLineEdit(
            placeholderText=self.tr("Search, or type owner/name of any model on the hub"), clearButtonEnabled=True
        )
        self.search.setToolTip(
            self.tr("Search the models below, or give the name or address of a model on the hub (Ctrl+F)")
        )
        self.search.setAccessibleName(self.tr("Search or name a model"))
        self.search.setMinimumHeight(32)
        for clear in self.search.findChildren(QToolButton):
            clear.setAccessibleName(self.tr("Clear the search"))
            clear.setToolTip(self.tr("Clear the search"))
        self.fetch = QPushButton(
            self.tr("Download"), toolTip=self.tr("Fetch the model that is named at the left from the hub")
        )
        self.fetch.setProperty("primary", True)
        self.fetch.setEnabled(False)
        self.bring = QPushButton(
            self.tr("Import …"), toolTip=self.tr("Bring in a folder with safetensors or a GGUF file; or drop it here")
        )
        self.bring.setMenu(self.bringing.menu())
        self.token = QPushButton(self.tr("Token …"), toolTip=self.tr("The access token for gated models"))
        for button in (self.fetch, self.bring, self.token):
            button.setAutoDefault(False)
        self.notice = NoticeBar()
        self.work = QLabel()
        self.work.setProperty("muted", True)
        self.work.setAccessibleName(self.tr("What is done now"))
        self.work_bar = QProgressBar(objectName="Fetch", textVisible=False, maximum=1000)
        self.work_bar.setAccessibleName(self.tr("Progress"))
        for part in (self.work, self.work_bar):
            part.hide()
        self.shelf = Shelf()
        top = QHBoxLayout()
        top.setSpacing(8)
        top.addWidget(self.search, 1)
        for button in (self.fetch, self.bring, self.token):
            top.addWidget(button)
        column = QVBoxLayout(self)
        column.setContentsMargins(18, 16, 12, 14)
        column.setSpacing(10)
        column.addLayout(top)
        column.addWidget(self.notice)
        column.addWidget(self.work)
        column.addWidget(self.work_bar)
        column.addWidget(self.shelf, 1)
        self._offers = [self._offer(entry) for entry in catalogue.load() if not entry.embedded]
        self._rows: dict[Wanted, DownloadRow] = {}
        self._here: list[InstalledRow] = []
        self.shelf.available.set_rows(self._offers, "")

    def _connect(self) -> None:
        self.search.textChanged.connect(self._on_text)
        self.search.returnPressed.connect(self._fetch_typed)
        self.fetch.clicked.connect(self._fetch_typed)
        self.token.clicked.connect(self.ask_token)
        self.tasks.progress.connect(self._show_work)
        self._arrived.connect(self._on_arrived)
        self.link.loaded.connect(lambda info: self._mark_loaded())
        self.link.unloaded.connect(self._mark_loaded)
        self.link.failed.connect(lambda kind, sentence: self.notice.error(sentence) if kind == "load" else None)
        QShortcut(QKeySequence("Ctrl+F"), self, activated=self.search.setFocus)
        application = QApplication.instance()
        assert isinstance(application, QApplication)
        application.focusChanged.connect(self._on_focus)

    def renew(self) -> None:
        """Take the theme's present colours."""
        self.notice.renew()

    def showEvent(self, event) -> None:
        super().showEvent(event)
        self.refresh()
        self._show_now()
        self._look.start()
        self.search.setFocus()

    def hideEvent(self, event) -> None:
        super().hideEvent(event)
        self._look.stop()

    # -- downloads -----------------------------------------------------------------------------------------------

    def start(self, wanted: Wanted) -> None:
        """Fetch this, or go on with it."""
        self.notice.hide()
        self.downloads.add(wanted)
        self._show_now()

    def ask_token(self) -> None:
        """Ask for the access token; downloads that need one go on when it is given."""
        dialog = TokenDialog(self)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.accepted.connect(self._on_token)
        dialog.open()

    def _on_token(self) -> None:
        for item in self.downloads.items():
            if item.needs_token:
                self.start(item.wanted)

    def _on_text(self, text: str) -> None:
        self.fetch.setEnabled(self._typed() is not None)
        self.shelf.filter("" if self._typed() is not None else text)

    def _typed(self) -> Wanted | None:
        try:
            return parse(self.search.text())
        except ModelError:
            return None

    def _fetch_typed(self) -> None:
        wanted = self._typed()
        if wanted is not None:
            self.search.clear()
            self.start(wanted)
        elif "/" in self.search.text():
            try:
                parse(self.search.text())
            except ModelError as error:
                self.notice.error(str(error))

    def _on_arrived(self, wanted: Wanted, folder: Path) -> None:
        self.notice.info(self.tr("{name} is here and whole.").format(name=folder.name))
        self.refresh()
        self._show_now()

    def _show_now(self) -> None:
        """Look at the downloads, and now and then at the memory."""
        items = {item.wanted: item for item in self.downloads.items()}
        if list(items) != list(self._rows):
            self._rows = {wanted: self._rows.get(wanted) or self._row(wanted) for wanted in items}
            self.shelf.downloads.set_rows([*self._rows.values()], self.shelf.text)
        for wanted, item in items.items():
            self._rows[wanted].show_item(item)
        busy = {item.wanted for item in items.values() if item.state is not State.FAILED}
        for row in self._offers:
            row.fetch.setEnabled(row.entry.wanted not in busy)
        if self._looks % _FIT_EVERY == 0:
            self._show_fits()
        self._looks += 1

    def _row(self, wanted: Wanted) -> DownloadRow:
        row = DownloadRow(wanted)
        row.pause.clicked.connect(lambda: self._do(self.downloads.pause, wanted))
        row.resume.clicked.connect(lambda: self._do(self.downloads.add, wanted))
        row.cancel.clicked.connect(lambda: self._do(self.downloads.cancel, wanted))
        row.token.clicked.connect(self.ask_token)
        return row

    def _do(self, act: Callable[[Wanted], None], wanted: Wanted) -> None:
        act(wanted)
        self._show_now()

    def _offer(self, entry: CatalogueEntry) -> CatalogueRow:
        row = CatalogueRow(entry)
        row.fetch.clicked.connect(lambda: self.start(entry.wanted))
        return row

    # -- models that are here ------------------------------------------------------------------------------------

    def _show_installed(self, found: tuple[list[InstalledModel], dict[str, Shape], list[tuple[str, str]]]) -> None:
        models, self._shapes, damaged = found
        old = {row.model: row for row in self._here}
        changed = list(old) != models
        self._here = [old.get(model) or self._row_of(model) for model in models]
        self.shelf.installed.set_rows(self._here, self.shelf.text)
        here = {model.name for model in models}
        for row in self._offers:
            row.is_left_out = row.entry.name in here
        self.shelf.filter(self.shelf.text)
        if damaged:
            name, sentence = damaged[0]
            self.notice.error(sentence, self.tr("Delete {name}").format(name=name), lambda: self.remove(name))
        self._mark_loaded()
        self._show_fits()
        if changed:
            self.models_changed.emit(models)

    def _row_of(self, model: InstalledModel) -> InstalledRow:
        row = InstalledRow(model)
        row.load.clicked.connect(lambda: self.link.load(model.path))
        row.unload.clicked.connect(self.link.unload)
        row.verify.clicked.connect(lambda: self._verify(model))
        row.remove.clicked.connect(lambda: self.ask_remove(model))
        return row

    def _mark_loaded(self) -> None:
        loaded = str(self.link.info.path) if self.link.info else None
        for row in self._here:
            row.show_loaded(str(row.model.path) == loaded)

    def _verify(self, model: InstalledModel) -> None:
        self.tasks.run(
            lambda report: library.verify(model.name, report),
            lambda found: self.worked(
                self.tr("{name} is whole: every file is as it was published.").format(name=model.name)
            ),
            self.failed,
        )

    def ask_remove(self, model: InstalledModel) -> QMessageBox:
        """Ask before a model goes; returns the question."""
        box = QMessageBox(self)
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        box.setIcon(QMessageBox.Icon.Question)
        if model.in_place:
            box.setText(self.tr("Take {name} off the list?").format(name=model.name))
            box.setInformativeText(self.tr("Its files stay at {path}.").format(path=model.path))
        else:
            is_ours = model.name == embedded.DEFAULT_NAME
            again = self.tr("To use it again it has to be fetched or imported again.")
            ours = self.tr("It comes with the program and is fetched again when no other is here.")
            box.setText(self.tr("Delete {name} from the disk?").format(name=model.name))
            box.setInformativeText(ours if is_ours else again)
        yes = box.addButton(
            self.tr("Remove") if model.in_place else self.tr("Delete"), QMessageBox.ButtonRole.DestructiveRole
        )
        box.setDefaultButton(box.addButton(QMessageBox.StandardButton.Cancel))
        yes.clicked.connect(lambda: self._remove(model))
        box.open()
        return box

    def _remove(self, model: InstalledModel) -> None:
        if self.link.info is not None and str(self.link.info.path) == str(model.path):
            # Its files are in use until the decoder has let go of them.
            self.link.unloaded.connect(lambda: self.remove(model.name), Qt.ConnectionType.SingleShotConnection)
            self.link.unload()
        else:
            self.remove(model.name)

    def remove(self, name: str) -> None:
        """Delete a model, whole or damaged."""
        self.tasks.run(
            lambda report: library.remove(name),
            lambda nothing: self.worked(self.tr("{name} is gone.").format(name=name)),
            self.failed,
        )

    # -- inside --------------------------------------------------------------------------------------------------

    def _show_fits(self) -> None:
        memory, wanted = self._memory(), self.link.precision
        for offer in self._offers:
            offer.show_fit(_fit(offer.entry.shape, wanted.for_fit(offer.entry.precision), memory))
        for coming in self._rows.values():
            coming.show_fit(_fit(_shape_of(coming.wanted), wanted.for_fit(), memory))
        for row in self._here:
            row.show_fit(_fit(self._shapes.get(str(row.model.path)), wanted.for_fit(), memory))

    def _show_work(self, sentence: str, share: float) -> None:
        self.work.setText(f"{sentence} … {share:.0%}")
        self.work_bar.setValue(int(1000 * share))
        self.work.show()
        self.work_bar.show()

    def worked(self, sentence: str) -> None:
        """A task is done: say so, and look at what is here."""
        self._rest()
        self.notice.info(sentence)

    def failed(self, sentence: str) -> None:
        """A task ended by an error."""
        self._rest()
        self.notice.error(sentence)

    def _rest(self) -> None:
        self.work.hide()
        self.work_bar.hide()
        self.refresh()

    def _on_focus(self, before, now) -> None:
        self.shelf.follow(now)

    def dragEnterEvent(self, event) -> None:
        self.bringing.drag(event)

    def dropEvent(self, event) -> None:
        self.bringing.drop(event)


def _scan(report: Report) -> tuple[list[InstalledModel], dict[str, Shape], list[tuple[str, str]]]:
    models, shapes = library.installed(), {}
    for model in models:
        try:
            shapes[str(model.path)] = Shape.of(model.path)
        except ModelError:
            continue  # it says nothing of its size, so there is no pill
    return models, shapes, library.damaged()


def _shape_of(wanted: Wanted) -> Shape | None:
    """The shape of a model on its way, known from the catalogue or when its configuration is here."""
    if entry := catalogue.find(wanted.repo):
        return entry.shape
    try:
        return Shape.of(journal.folder_of(wanted) / "files")
    except ModelError:
        return None


def _fit(shape: Shape | None, precision: str, memory: MemoryReading | None) -> Fit | None:
    if shape is None or memory is None:
        return None
    return estimate(shape, precision, min(USUAL_CONTEXT, shape.context_limit), memory)
