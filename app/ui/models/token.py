"""Asks for the access token that gated models need."""

from PySide6.QtWidgets import QDialog, QDialogButtonBox, QLabel, QLineEdit, QVBoxLayout

from app.models import credentials
from app.ui.language import QT_TRANSLATE_NOOP, translate

_ABOUT = QT_TRANSLATE_NOOP(
    "Models",
    "Gated models ask for an access token of your account on the hub, and for their terms to be accepted on their "
    "page. A token that may read is enough.",
)
_KEPT = QT_TRANSLATE_NOOP("Models", "It is kept in this system's keyring, and sent to the hub alone.")
_NOT_KEPT = QT_TRANSLATE_NOOP(
    "Models",
    "This system has no keyring, so it is kept in memory only, until the program ends, and sent to the hub alone.",
)


class TokenDialog(QDialog):
    """`accepted` follows when a token was kept; an empty field forgets the one that is kept."""

    def __init__(self, parent=None):
        super().__init__(parent)
        self.setObjectName("Page")
        self.setWindowTitle(self.tr("Access token"))
        self.setMinimumWidth(440)
        self.field = QLineEdit(
            placeholderText="hf_…",
            toolTip=self.tr("The access token; leave it empty to forget the present one"),
        )
        self.field.setEchoMode(QLineEdit.EchoMode.Password)
        self.field.setAccessibleName(self.tr("Access token"))
        about = QLabel(wordWrap=True)
        kept = _KEPT if credentials.has_keyring() else _NOT_KEPT
        about.setText(translate("Models", _ABOUT) + " " + translate("Models", kept))
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Save | QDialogButtonBox.StandardButton.Cancel)
        buttons.accepted.connect(self._keep)
        buttons.rejected.connect(self.reject)
        for button, tip in zip(buttons.buttons(), (self.tr("Keep the token"), self.tr("Change nothing")), strict=True):
            button.setToolTip(tip)
        column = QVBoxLayout(self)
        column.setContentsMargins(20, 18, 20, 18)
        column.setSpacing(14)
        column.addWidget(about)
        column.addWidget(self.field)
        column.addWidget(buttons)

    def _keep(self) -> None:
        credentials.remember(self.field.text())
        self.field.clear()
        self.accept()
