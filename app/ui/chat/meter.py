"""How much of the context is used: "1,234 / 4,096"."""

from PySide6.QtWidgets import QLabel, QWidget

from app.chats.overflow import DROP

NEAR = 0.8


class ContextMeter(QLabel):
    """Not shown while there is no model."""

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self.setObjectName("Meter")
        self.hide()

    def show_use(self, used: int, limit: int, overflow: str) -> None:
        """Tokens used of `limit`, and what happens when they are more."""
        self.setText(f"{used:,} / {limit:,}")
        level = "full" if used >= limit else "near" if used >= NEAR * limit else ""
        if level != self.property("level"):
            self.setProperty("level", level)
            self.style().unpolish(self)
            self.style().polish(self)
        lines = [
            self.tr("{used} of {limit} tokens of the context are used.").format(used=f"{used:,}", limit=f"{limit:,}")
        ]
        if overflow == DROP:
            lines.append(self.tr("When it is full the oldest turns are left out; the system prompt stays."))
        else:
            lines.append(self.tr("When it is full the answer stops. Settings can change that."))
        self.setToolTip("\n".join(lines))
        self.setAccessibleName(" ".join(lines))
        self.show()
