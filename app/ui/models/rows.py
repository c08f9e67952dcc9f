"""The rows of the library: a model that is here, one that can be fetched, and one on its way."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout

from app.models.catalogue import CatalogueEntry
from app.models.downloads import Item, State
from app.models.fit import Fit, Verdict
from app.models.library import InstalledModel
from app.models.wanted import Wanted
from app.ui.language import translate
from app.ui.models import words

_KIND = {Verdict.FITS: "fits", Verdict.TIGHT: "tight", Verdict.WONT_FIT: "no"}


class ModelRow(QFrame):
    """A name with a pill and a line about it at the left, buttons at the right.

    Attributes:
        is_left_out: it is not to be shown, whatever is searched for.
    """

    def __init__(self, name: str, about: str, facts: str, parent=None):
        super().__init__(parent)
        self.setObjectName("ModelRow")
        self.name = name
        self.is_left_out = False
        self.setAccessibleName(name)
        self.setAccessibleDescription(f"{about} {facts}".strip())
        title = QLabel(name)
        title.setTextFormat(Qt.TextFormat.PlainText)
        title.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        font = title.font()
        font.setBold(True)
        title.setFont(font)
        self.pill = QLabel(objectName="Pill")
        self.pill.hide()
        head = QHBoxLayout()
        head.setSpacing(8)
        head.addWidget(title)
        head.addWidget(self.pill)
        head.addStretch()
        self.left = QVBoxLayout()
        self.left.setSpacing(3)
        self.left.addLayout(head)
        self.about = _line(about)
        self.facts = _line(facts)
        for line in (self.about, self.facts):
            line.setVisible(bool(line.text()))
            self.left.addWidget(line)
        self.buttons = QHBoxLayout()
        self.buttons.setSpacing(6)
        row = QHBoxLayout(self)
        row.setContentsMargins(14, 10, 12, 10)
        row.setSpacing(14)
        row.addLayout(self.left, 1)
        row.addLayout(self.buttons)

    def add_button(self, text: str, tip: str, primary: bool = False) -> QPushButton:
        """A button at the right end, named after the model for who cannot see where it stands."""
        button = QPushButton(text, objectName="Small", toolTip=tip)
        button.setAccessibleName(f"{text} {self.name}")
        button.setProperty("primary", primary)
        self.buttons.addWidget(button, 0, Qt.AlignmentFlag.AlignVCenter)
        return button

    def show_fit(self, fit: Fit | None) -> None:
        """How the model and the memory go together; the numbers are on hover."""
        self.pill.setVisible(fit is not None)
        if fit is None:
            return
        self.pill.setText(fit.verdict.value)
        self.pill.setToolTip(fit.numbers)
        self.pill.setAccessibleName(f"{self.name}: {fit.verdict.value}")
        self.pill.setAccessibleDescription(fit.numbers)
        _restyle(self.pill, "fit", _KIND[fit.verdict])


class InstalledRow(ModelRow):
    """A model that is here."""

    def __init__(self, model: InstalledModel, parent=None):
        where = self.tr("in place: {path}").format(path=model.path) if model.in_place else str(model.path)
        super().__init__(
            model.name, "", "  ·  ".join(filter(None, (words.size(model.bytes), model.licence, where))), parent
        )
        self.model = model
        self.load = self.add_button(self.tr("Load"), self.tr("Load this model into memory"), primary=True)
        self.unload = self.add_button(self.tr("Unload"), self.tr("Give this model's memory back"))
        self.verify = self.add_button(
            self.tr("Verify"), self.tr("Read all its files again and compare them with their digests")
        )
        tip = (
            self.tr("Take it off the list; its files stay")
            if model.in_place
            else self.tr("Delete this model from the disk")
        )
        self.remove = self.add_button(self.tr("Remove") if model.in_place else self.tr("Delete"), tip)
        self.show_loaded(False)

    def show_loaded(self, loaded: bool) -> None:
        """Whether it is in memory."""
        focus = self.load.hasFocus() or self.unload.hasFocus()
        self.load.setVisible(not loaded)
        self.unload.setVisible(loaded)
        _restyle(self, "loaded", loaded)
        if focus:
            (self.unload if loaded else self.load).setFocus()


class CatalogueRow(ModelRow):
    """A model that can be fetched."""

    def __init__(self, entry: CatalogueEntry, parent=None):
        facts = [
            self.tr("{parameters} parameters").format(parameters=words.parameters(entry.parameters)),
            self.tr("about {size}").format(size=words.size(2 * entry.parameters)),
            words.tokens(entry.shape.context_limit),
            entry.licence,
            self.tr("asks for a token") if entry.gated else "",
        ]
        super().__init__(entry.name, entry.about, "  ·  ".join(filter(None, facts)), parent)
        self.entry = entry
        self.setToolTip(entry.repo)
        self.fetch = self.add_button(self.tr("Download"), self.tr("Fetch {repo} from the hub").format(repo=entry.repo))


class DownloadRow(ModelRow):
    """A model on its way."""

    def __init__(self, wanted: Wanted, parent=None):
        super().__init__(wanted.name, str(wanted), " ", parent)
        self.wanted = wanted
        self.bar = QProgressBar(objectName="Fetch", textVisible=False, maximum=1000)
        self.bar.setAccessibleName(self.tr("Progress of {name}").format(name=wanted.name))
        self.left.insertWidget(2, self.bar)
        self.token = self.add_button(
            self.tr("Give token"), self.tr("Give an access token for gated models"), primary=True
        )
        self.pause = self.add_button(self.tr("Pause"), self.tr("Stop for now; what has come is kept"))
        self.resume = self.add_button(self.tr("Resume"), self.tr("Go on where it was"), primary=True)
        self.cancel = self.add_button(self.tr("Cancel"), self.tr("Stop, and delete what has come"))
        self.token.hide()
        self.resume.hide()

    def show_item(self, item: Item) -> None:
        """How far it is."""
        halted = item.state in (State.PAUSED, State.FAILED)
        if self.pause.hasFocus() and halted:
            self.resume.show()
            self.resume.setFocus()
        self.pause.setVisible(item.state in (State.WAITING, State.RUNNING))
        self.resume.setVisible(halted)
        self.token.setVisible(item.needs_token)
        self.cancel.setEnabled(item.state is not State.CANCELLING)
        asking = item.state is State.RUNNING and not item.progress.total
        self.bar.setRange(0, 0 if asking else 1000)
        self.bar.setValue(int(1000 * item.progress.share))
        said = describe(item)
        if said != self.facts.text():
            self.facts.setText(said)
            self.facts.setToolTip(said)
            self.setAccessibleDescription(said)
        _restyle(self.facts, "problem", bool(item.problem))


def describe(item: Item) -> str:
    """A download in one line."""
    step = item.progress
    amount = (
        translate("Models", "{done} of {total}").format(done=words.size(step.done), total=words.size(step.total))
        if step.total
        else ""
    )
    if item.problem:
        return item.problem
    if item.state is State.PAUSED:
        return "  ·  ".join(filter(None, (translate("Models", "Paused"), amount)))
    if item.state is State.WAITING:
        return "  ·  ".join(filter(None, (translate("Models", "Waiting for its turn"), amount)))
    if item.state is State.CANCELLING:
        return translate("Models", "Deleting what has come")
    if step.trouble:
        return translate("Models", "{trouble} Trying again …").format(trouble=step.trouble)
    speed = f"{words.size(step.per_second)}/s" if step.per_second > 0 and step.done < step.total else ""
    left = (
        translate("Models", "{time} left").format(time=words.duration(step.seconds_left))
        if speed and step.seconds_left is not None
        else ""
    )
    return "  ·  ".join(filter(None, (step.phase, amount, speed, left)))


def _line(text: str) -> QLabel:
    label = QLabel(text, wordWrap=True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setProperty("muted", True)
    return label


def _restyle(widget, name: str, value) -> None:
    if widget.property(name) != value:
        widget.setProperty(name, value)
        widget.style().unpolish(widget)
        widget.style().polish(widget)
