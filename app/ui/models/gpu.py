"""One row above the models: PyTorch for this computer's GPU, where the program came with that for processors alone."""

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QProgressBar

from app.gpu_torch.offer import Now, Offer, Stand
from app.models.download import Progress
from app.ui.language import translate
from app.ui.models import words
from app.ui.models.rows import ModelRow

_LOOK_MS = 250


class GpuRow(ModelRow):
    """Hidden where there is nothing to offer. It looks by itself while it can be seen."""

    def __init__(self, offer: Offer | None = None, parent=None):
        super().__init__(translate("GpuRow", "PyTorch for your GPU"), " ", " ", parent)
        self.setProperty("alone", True)
        self.offer = offer or Offer()
        self.bar = QProgressBar(objectName="Fetch", textVisible=False, maximum=1000)
        self.bar.setAccessibleName(self.tr("Progress of {name}").format(name=self.name))
        self.left.insertWidget(2, self.bar)
        self.get = self.add_button(
            self.tr("Get it"), self.tr("Fetch PyTorch for this GPU; it is used from the next start on"), primary=True
        )
        self.pause = self.add_button(self.tr("Pause"), self.tr("Stop for now; what has come is kept"))
        self.cancel = self.add_button(self.tr("Cancel"), self.tr("Stop, and delete what has come"))
        self.remove = self.add_button(
            self.tr("Remove"), self.tr("Delete it; from the next start on models run on the processor")
        )
        self.get.clicked.connect(self.offer.get)
        self.pause.clicked.connect(self.offer.pause)
        self.cancel.clicked.connect(self.offer.cancel)
        self.remove.clicked.connect(self.offer.remove)
        self._shown: Now | None = None
        self._watch = QTimer(self, interval=_LOOK_MS)
        self._watch.timeout.connect(self.show_now)
        self.show_now()

    def watch(self) -> None:
        """The page is seen: look at the driver once, and then at what changes."""
        self.offer.look()
        self._watch.start()

    def rest(self) -> None:
        """The page is not seen any more; what is being fetched goes on."""
        self._watch.stop()

    def show_now(self) -> None:
        """Show how it stands."""
        now = self.offer.now
        if now == self._shown:
            return
        had_focus = any(button.hasFocus() for button in (self.get, self.pause, self.cancel, self.remove))
        self._shown = now
        stand = now.stand
        self.about.setText(now.sentence)
        self.about.setProperty("problem", stand in (Stand.FAILED, Stand.SET_ASIDE))
        self.about.style().unpolish(self.about)
        self.about.style().polish(self.about)
        told = _told(now.progress) if now.progress is not None else ""
        self.facts.setText(told)
        self.about.show()
        self.facts.setVisible(bool(told))
        self.setAccessibleDescription(f"{now.sentence} {told}".strip())
        self._show_bar(now)
        words_of = {
            Stand.PAUSED: self.tr("Resume"),
            Stand.FAILED: self.tr("Try again"),
            Stand.SET_ASIDE: self.tr("Get it anew"),
        }
        self.get.setText(words_of.get(stand, self.tr("Get it")))
        self.get.setAccessibleName(f"{self.get.text()}: {self.name}")
        self.get.setVisible(stand in (Stand.OFFERED, Stand.PAUSED, Stand.FAILED, Stand.SET_ASIDE))
        self.pause.setVisible(stand is Stand.RUNNING)
        self.cancel.setVisible(stand in (Stand.RUNNING, Stand.PAUSED))
        self.remove.setVisible(stand in (Stand.READY, Stand.IN_USE, Stand.SET_ASIDE))
        self.setVisible(stand is not Stand.NOTHING)
        if had_focus:
            # The keyboard stays with the row when the button that it was on goes.
            for button in (self.get, self.pause, self.remove):
                if not button.isHidden():
                    button.setFocus()
                    break

    def _show_bar(self, now: Now) -> None:
        self.bar.setVisible(now.progress is not None)
        if now.progress is not None:
            self.bar.setRange(0, 1000 if now.progress.total else 0)
            self.bar.setValue(int(1000 * now.progress.share))


def _told(step: Progress) -> str:
    """How far it is, in one line."""
    if step.trouble:
        return translate("GpuRow", "{trouble} Trying again …").format(trouble=step.trouble)
    amount = ""
    if step.total:
        amount = translate("GpuRow", "{done} of {total}").format(
            done=words.size(step.done), total=words.size(step.total)
        )
    speed = f"{words.size(step.per_second)}/s" if step.per_second > 0 and step.done < step.total else ""
    left = ""
    if speed and step.seconds_left is not None:
        left = translate("GpuRow", "{time} left").format(time=words.duration(step.seconds_left))
    return "  ·  ".join(filter(None, (step.phase, amount, speed, left)))
