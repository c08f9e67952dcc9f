"""Decisions about drafting that rest on what was measured, never on what was hoped."""

from collections import deque
from dataclasses import replace

from s3d_core.settings import DraftSettings
from s3d_core.stats import Round


class Guard:
    """Turns drafting off for the rest of a reply when it makes the reply slower.

    The running speed-up is taken over the last `window` drafted rounds. When it has been below 1
    after each of `patience` rounds in a row, the guard trips: `settings` then answers with the same
    settings and strategy "plain". One pause of the machine spoils at most `window` of those rounds,
    so it cannot trip the guard alone. Other settings start a new count: who moves a slider wants to see
    what it does.

    Attributes:
        tripped: drafting is off.
    """

    warm_up = 2

    def __init__(self, patience: int = 24, window: int = 16):
        self._patience = patience
        self._recent: deque[tuple[int, float]] = deque(maxlen=window)
        self._watched: DraftSettings | None = None
        self._seen = 0
        self._below = 0
        self.tripped = False

    def settings(self, wished: DraftSettings) -> DraftSettings:
        """What the next round should run with, given what the user wishes."""
        if wished != self._watched:
            self._restart(wished)
        return replace(wished, strategy="plain") if self.tripped else wished

    def add(self, done: Round, plain_ms: float | None) -> bool:
        """Count a round in; one in which nothing was drafted was a plain step and says nothing, and
        Auto sees for itself.

        Args:
            plain_ms: measured milliseconds of one plain step; None when unknown, which counts nothing.

        Returns:
            True for the one round that trips the guard.
        """
        is_auto = self._watched is not None and self._watched.strategy == "auto"
        if self.tripped or is_auto or plain_ms is None or done.drafted == 0:
            return False
        self._seen += 1
        if self._seen <= self.warm_up:
            return False
        self._recent.append((len(done.ids), done.total_ms))
        spent = sum(ms for _, ms in self._recent)
        slower = sum(tokens for tokens, _ in self._recent) * plain_ms < spent
        self._below = self._below + 1 if slower else 0
        self.tripped = self._below >= self._patience
        return self.tripped

    def _restart(self, wished: DraftSettings) -> None:
        self._watched = wished
        self._recent.clear()
        self._seen = self._below = 0
        self.tripped = False
