"""What an empty conversation shows: what this is, how far the model is, and something to try."""

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget

from app.engine.worker import Phase
from app.ui.icons import pixmap

SUGGESTIONS = (
    "Write a Python function that merges two sorted lists, and explain it.",
    "Give me five ideas for a rainy Sunday, as a list.",
    "Explain why the sky is blue to a curious child.",
)

_WIDTH = 470

_HEADLINES = {
    Phase.STARTING: "Looking for a model …",
    Phase.FETCHING: "Fetching the model …",
    Phase.LOADING: "Loading the model …",
    Phase.MEASURING: "Measuring plain decoding on this machine …",
    Phase.EMPTY: "No model is loaded: choose one at the top.",
}


class Welcome(QWidget):
    """The first page.

    Signals:
        suggested: a prompt to try.
        retry: try again to get the default model.
    """

    suggested = Signal(str)
    retry = Signal()

    def __init__(self, parent=None):
        super().__init__(parent)
        self.setObjectName("Page")
        picture = QLabel(pixmap=pixmap("app", 128, "#000000"))
        picture.setScaledContents(True)
        picture.setFixedSize(64, 64)
        title = QLabel("A model that drafts for itself")
        title.setObjectName("Title")
        font = title.font()
        font.setPointSizeF(font.pointSizeF() * 1.7)
        font.setBold(True)
        title.setFont(font)
        about = QLabel(
            "It skips its middle layers to guess the next words, then checks them all at once with the whole model. "
            "Move the sliders while it writes and watch the speed. Nothing you type leaves this machine.",
            wordWrap=True,
        )
        about.setProperty("muted", True)
        about.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        self.state = QLabel(wordWrap=True)
        self.state.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        self.progress = QProgressBar(objectName="Fetch", textVisible=False, maximum=1000)
        self.progress.setAccessibleName("Progress")
        self.again = QPushButton("Retry", toolTip="Try again to get the model")
        self.again.setProperty("primary", True)
        self.again.clicked.connect(self.retry)
        # Wrapped labels get the height they need only where nothing aligns them.
        block = QWidget()
        block.setMaximumWidth(_WIDTH)
        inside = QVBoxLayout(block)
        inside.setContentsMargins(0, 0, 0, 0)
        inside.setSpacing(12)
        centre = Qt.AlignmentFlag.AlignHCenter
        inside.addWidget(picture, 0, centre)
        inside.addWidget(title, 0, centre)
        inside.addWidget(about)
        inside.addWidget(self.state)
        inside.addWidget(self.progress)
        inside.addWidget(self.again, 0, centre)
        inside.addSpacing(8)
        self.suggestions = []
        for text in SUGGESTIONS:
            button = QPushButton(text, objectName="Suggestion", toolTip="Put this prompt into the message field")
            button.clicked.connect(lambda checked=False, text=text: self.suggested.emit(text))
            self.suggestions.append(button)
            inside.addWidget(button)
        column = QVBoxLayout(self)
        column.addStretch(3)
        row = QHBoxLayout()
        row.setContentsMargins(24, 0, 24, 0)
        row.addWidget(block)
        column.addLayout(row)
        column.addStretch(4)
        self._failure = ""
        self.show_phase(Phase.STARTING)

    def show_phase(self, phase: str) -> None:
        """Say how far the model is."""
        if phase == Phase.EMPTY and self._failure:
            self.show_failure(self._failure)
            return
        self._failure = ""
        waiting = phase in (Phase.STARTING, Phase.FETCHING, Phase.LOADING, Phase.MEASURING)
        self.state.setText(_HEADLINES.get(phase, ""))
        self.state.setVisible(bool(self.state.text()))
        self.progress.setVisible(waiting)
        self.progress.setRange(0, 0 if phase in (Phase.STARTING, Phase.MEASURING) else 1000)
        self.again.hide()
        for button in self.suggestions:
            button.setVisible(phase not in (Phase.STARTING, Phase.FETCHING))

    def show_progress(self, sentence: str, share: float) -> None:
        """How far a download or a load is."""
        self.state.setText(f"{sentence} …" if sentence and sentence[-1].isalnum() else sentence)
        self.progress.setRange(0, 1000 if share else 0)
        self.progress.setValue(int(1000 * share))

    def show_failure(self, sentence: str) -> None:
        """There is no model, and why; the user may try again."""
        self._failure = sentence
        self.state.setText(sentence)
        self.state.show()
        self.progress.hide()
        self.again.show()
