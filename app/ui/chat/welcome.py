"""What an empty conversation shows: what this is, how far the model is, and something to try."""

from PySide6.QtCore import QEvent, QSize, Qt, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QProgressBar, QPushButton, QScrollArea, QVBoxLayout, QWidget

from app.engine.phase import Phase
from app.ui.icons import pixmap
from app.ui.language import QT_TRANSLATE_NOOP, translate
from s3d_core.stats import ModelInfo

SUGGESTIONS = (
    QT_TRANSLATE_NOOP("Chat", "Write a Python function that merges two sorted lists, and explain it."),
    QT_TRANSLATE_NOOP("Chat", "Give me five ideas for a rainy Sunday, as a list."),
    QT_TRANSLATE_NOOP("Chat", "Explain why the sky is blue to a curious child."),
)

# Of the column, in mean letters.
_WIDTH = 76

_HEADLINES = {
    Phase.STARTING: QT_TRANSLATE_NOOP("Chat", "Looking for a model …"),
    Phase.FETCHING: QT_TRANSLATE_NOOP("Chat", "Fetching the model …"),
    Phase.LOADING: QT_TRANSLATE_NOOP("Chat", "Loading the model …"),
    Phase.MEASURING: QT_TRANSLATE_NOOP("Chat", "Measuring plain decoding on this machine …"),
    Phase.EMPTY: QT_TRANSLATE_NOOP("Chat", "No model is loaded: choose one at the top."),
}


class Welcome(QScrollArea):
    """The first page; one screen that scrolls where the window is smaller.

    Signals:
        suggested: a prompt to try.
        retry: try again to get the default model.
    """

    suggested = Signal(str)
    retry = Signal()

    def __init__(self, parent=None):
        super().__init__(parent)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        picture = QLabel(pixmap=pixmap("app", 128, "#000000"))
        picture.setScaledContents(True)
        picture.setFixedSize(64, 64)
        title = _centred(self.tr("A model that drafts for itself"))
        title.setObjectName("Title")
        font = title.font()
        font.setPointSizeF(font.pointSizeF() * 1.7)
        font.setBold(True)
        title.setFont(font)
        about = _centred(
            self.tr(
                "It skips its middle layers to guess the next words, then checks them all at once with the whole "
                "model: the same text, sooner. Move the sliders while it writes and watch the speed."
            ),
            muted=True,
        )
        private = _centred(self.tr("Nothing you type leaves this machine."))
        self.model = _centred("", muted=True)
        self.model.setAccessibleName(self.tr("Model"))
        self.state = _centred("")
        self.progress = QProgressBar(objectName="Fetch", textVisible=False, maximum=1000)
        self.progress.setAccessibleName(self.tr("Progress"))
        self.again = QPushButton(self.tr("Retry"), toolTip=self.tr("Try again to get the model"))
        self.again.setProperty("primary", True)
        self.again.clicked.connect(self.retry)
        # Wrapped labels get the height they need only where nothing aligns them.
        block = self._block = QWidget()
        inside = QVBoxLayout(block)
        inside.setContentsMargins(0, 0, 0, 0)
        inside.setSpacing(10)
        centre = Qt.AlignmentFlag.AlignHCenter
        inside.addWidget(picture, 0, centre)
        for part in (title, about, private, self.model, self.state, self.progress):
            inside.addWidget(part)
        inside.addWidget(self.again, 0, centre)
        inside.addSpacing(6)
        self.suggestions = []
        for suggestion in SUGGESTIONS:
            text = translate("Chat", suggestion)
            button = _Suggestion(text, toolTip=self.tr("Ask this"))
            button.clicked.connect(lambda checked=False, text=text: self.suggested.emit(text))
            self.suggestions.append(button)
            inside.addWidget(button)
        page = QWidget(objectName="Page")
        column = QVBoxLayout(page)
        column.setContentsMargins(0, 12, 0, 12)
        column.addStretch(3)
        row = QHBoxLayout()
        row.setContentsMargins(24, 0, 24, 0)
        row.addWidget(block)
        column.addLayout(row)
        column.addStretch(4)
        self.setWidget(page)
        self._failure = ""
        self._fit()
        self.show_model(None)
        self.show_phase(Phase.STARTING)

    def changeEvent(self, event) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.FontChange and hasattr(self, "_block"):
            self._fit()

    def _fit(self) -> None:
        self._block.setMaximumWidth(_WIDTH * self.fontMetrics().averageCharWidth())

    def show_model(self, info: ModelInfo | None) -> None:
        """Say which model answers; None while there is none."""
        if info is not None:
            said = self.tr("{name} is loaded: {layers} layers, {context} tokens of context, {drafts}.").format(
                name=info.name,
                layers=info.depth,
                context=f"{info.context_limit:,}",
                drafts=self.tr("with a draft adapter") if info.has_adapter else self.tr("without a draft adapter"),
            )
            self.model.setText(said)
            self.model.setAccessibleName(said)
        self.model.setVisible(info is not None)

    def show_phase(self, phase: str) -> None:
        """Say how far the model is."""
        if phase == Phase.EMPTY and self._failure:
            self.show_failure(self._failure)
            return
        self._failure = ""
        waiting = phase in (Phase.STARTING, Phase.FETCHING, Phase.LOADING, Phase.MEASURING)
        self.state.setText(translate("Chat", _HEADLINES.get(phase, "")))
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


class _Suggestion(QPushButton):
    """A button whose text takes as many lines as it needs."""

    def __init__(self, text: str, **properties):
        super().__init__(objectName="Suggestion", accessibleName=text, **properties)
        label = QLabel(text, wordWrap=True)
        label.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        inside = self._inside = QVBoxLayout(self)
        inside.setContentsMargins(14, 9, 14, 9)
        inside.addWidget(label)

    def hasHeightForWidth(self) -> bool:
        return True

    def heightForWidth(self, width: int) -> int:
        return self._inside.totalHeightForWidth(width)

    def sizeHint(self) -> QSize:
        return self._inside.totalSizeHint()

    def minimumSizeHint(self) -> QSize:
        return self._inside.totalMinimumSize()


def _centred(text: str, muted: bool = False) -> QLabel:
    label = QLabel(text, wordWrap=True)
    label.setAlignment(Qt.AlignmentFlag.AlignHCenter)
    label.setProperty("muted", muted)
    return label
