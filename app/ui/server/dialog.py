"""A small window that turns the local server on and off, and shows what a client needs to know."""

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import (
    QDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QToolButton,
    QVBoxLayout,
)

from app.server import DEFAULT_PORT
from app.server.switch import Switch
from app.ui.box import WholeBox
from app.ui.icons import icon
from app.ui.language import QT_TRANSLATE_NOOP, translate
from app.ui.theme import colours
from s3d_core.errors import S3DError

_ABOUT = QT_TRANSLATE_NOOP(
    "Server",
    "Programs that speak the OpenAI API can use the model in this window, at the speed that its sliders give. "
    "Only this computer can reach it, and only programs that know the key.",
)
_LOOK_MS = 500
_FIELD_HEIGHT = 30


class ServerDialog(QDialog):
    """Works on a `Switch`, which outlives it.

    Signals:
        switched: the server was turned on (True) or off.
    """

    switched = Signal(bool)

    def __init__(self, switch: Switch, port: int = DEFAULT_PORT, parent=None):
        super().__init__(parent)
        self.setObjectName("Page")
        self.setWindowTitle(self.tr("Serve to other programs"))
        self.setMinimumWidth(460)
        self.switch = switch
        about = _text(translate("Server", _ABOUT))
        self.port = WholeBox(
            minimum=1024, maximum=65535, value=port, toolTip=self.tr("The port that the server listens on")
        )
        self.port.setAccessibleName(self.tr("Port"))
        self.address = _field(self.tr("Address"), self.tr("The base URL for an OpenAI client"))
        self.key = _field(self.tr("Key"), self.tr("The key that a program must show"))
        self.key.setEchoMode(QLineEdit.EchoMode.Password)
        self.copy_address = self._copier(self.address, self.tr("Copy the address"))
        self.copy_key = self._copier(self.key, self.tr("Copy the key"))
        self.state = _text("")
        self.state.setAccessibleName(self.tr("State of the server"))
        self.button = QPushButton(toolTip=self.tr("Turn the server on or off"))
        self.button.setProperty("primary", True)
        self.button.clicked.connect(self._toggle)
        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        form.setVerticalSpacing(10)
        form.setHorizontalSpacing(14)
        form.setLabelAlignment(Qt.AlignmentFlag.AlignVCenter)
        self.port.setMinimumHeight(_FIELD_HEIGHT)
        form.addRow(self.tr("Port"), self.port)
        form.addRow(self.tr("Address"), _row(self.address, self.copy_address))
        form.addRow(self.tr("Key"), _row(self.key, self.copy_key))
        foot = QHBoxLayout()
        foot.addWidget(self.state, 1)
        foot.addWidget(self.button)
        column = QVBoxLayout(self)
        column.setContentsMargins(20, 18, 20, 18)
        column.setSpacing(16)
        column.addWidget(about)
        column.addLayout(form)
        column.addLayout(foot)
        # The server may end by itself, and then the window must not say otherwise.
        self._look = QTimer(self, interval=_LOOK_MS)
        self._look.timeout.connect(self._show_state)
        self._show_state()

    def renew(self) -> None:
        """Take the theme's present colours."""
        for button in (self.copy_address, self.copy_key):
            button.setIcon(icon("copy", colours().muted))

    def showEvent(self, event) -> None:
        super().showEvent(event)
        self.renew()
        self._look.start()

    def hideEvent(self, event) -> None:
        super().hideEvent(event)
        self._look.stop()

    def _toggle(self) -> None:
        said = ""
        if self.switch.is_on:
            self.switch.turn_off()
        else:
            try:
                self.switch.turn_on(self.port.value())
            except S3DError as error:
                said = str(error)
        self._show_state(said)
        self.switched.emit(self.switch.is_on)

    def _show_state(self, said: str = "") -> None:
        on = self.switch.is_on
        self.port.setEnabled(not on)
        self.address.setText(self.switch.address if on else "")
        self.key.setText(self.switch.key if on else "")
        for part in (self.address, self.key, self.copy_address, self.copy_key):
            part.setEnabled(on)
        self.key.setCursorPosition(0)
        if said or on or self.state.property("on") != on:
            self.state.setText(said or (self.tr("The server is on.") if on else self.tr("The server is off.")))
        self.state.setProperty("on", on)
        self.button.setText(self.tr("Stop serving") if on else self.tr("Start serving"))

    def _copier(self, field: QLineEdit, tip: str) -> QToolButton:
        button = QToolButton(toolTip=tip, accessibleName=tip)
        button.clicked.connect(lambda: self._copy(field, button))
        return button

    def _copy(self, field: QLineEdit, button: QToolButton) -> None:
        QGuiApplication.clipboard().setText(field.text())
        button.setIcon(icon("done", colours().speed))
        QTimer.singleShot(1500, button, self.renew)


def _text(text: str) -> QLabel:
    label = QLabel(text, wordWrap=True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setProperty("muted", True)
    return label


def _field(name: str, tip: str) -> QLineEdit:
    field = QLineEdit(readOnly=True, toolTip=tip)
    field.setAccessibleName(name)
    field.setMinimumHeight(_FIELD_HEIGHT)
    return field


def _row(*parts) -> QHBoxLayout:
    row = QHBoxLayout()
    row.setSpacing(4)
    for part in parts:
        row.addWidget(part)
    return row
