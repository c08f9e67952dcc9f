"""The settings that may change while the model writes."""

from s3d_core.settings import DraftSettings


class LiveSettings:
    """One value, swapped whole by the window and read by the decoder at the start of a round.

    Rebinding one attribute is atomic in Python, so a reader sees the old value or the new, never a mixture,
    and neither side waits for the other.
    """

    def __init__(self, value: DraftSettings | None = None):
        self._value = value or DraftSettings()

    @property
    def value(self) -> DraftSettings:
        """What the next round will run with."""
        return self._value

    def swap(self, value: DraftSettings) -> None:
        """Put a new value in the place of the old."""
        self._value = value
