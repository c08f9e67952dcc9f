"""Bringing a window before the user's eyes."""

from PySide6.QtWidgets import QWidget


def bring_forward(window: QWidget) -> None:
    """Show a window in front of the others, with the keyboard, also where it is open already."""
    window.show()
    window.raise_()
    window.activateWindow()
