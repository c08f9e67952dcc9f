"""Running figures of a reply. Free of widgets."""

from collections import deque

from app.ui.language import translate
from app.ui.speed.points import Point
from s3d_core.stats import Round, Totals

RECENT_MS = 1500.0
FEWEST_ROUNDS = 6
MOST_POINTS = 400


class SpeedMeter:
    """What the speed panel shows: the last second and a half while a reply is written, the whole reply at its end.

    Attributes:
        totals: the whole reply so far.
        points: the recent rounds' speed, moment by moment, for the plot.
        plain_ms: measured milliseconds of a plain step, or None.
    """

    def __init__(self):
        self.plain_ms: float | None = None
        self.start()

    def start(self) -> None:
        """A new reply begins."""
        self.totals = Totals(plain_ms=self.plain_ms)
        self.points: list[Point] = []
        self.running = True
        self._recent: deque[Round] = deque()
        self._recent_ms = 0.0

    def set_plain(self, milliseconds: float) -> None:
        """Plain decoding was measured (again). A reply that has ended keeps the speed-up it had."""
        self.plain_ms = milliseconds
        if self.running:
            self.totals.plain_ms = milliseconds

    def add(self, rounds: list[Round]) -> None:
        """Rounds that were done since the last call."""
        for done in rounds:
            if not done.ids:
                continue
            self.totals.add(done)
            self._recent.append(done)
            self._recent_ms += done.total_ms
            while len(self._recent) > FEWEST_ROUNDS and self._recent_ms - self._recent[0].total_ms > RECENT_MS:
                self._recent_ms -= self._recent.popleft().total_ms
        if rounds and self._recent:
            recent = self.recent
            point = Point(self.totals.total_ms / 1000, recent.tokens_per_second, recent.plain_tokens_per_second)
            self.points.append(point)
            if len(self.points) > MOST_POINTS:
                # Half the points tell the same story; the newest stay as they are.
                half = len(self.points) // 2
                self.points = self.points[:half:2] + self.points[half:]

    def finish(self, totals: Totals) -> None:
        """The reply ended; the worker's own sums, which know the prompt's time too, replace ours."""
        self.totals = totals
        self.running = False

    @property
    def recent(self) -> Totals:
        """Sums over the recent rounds."""
        return Totals(plain_ms=self.plain_ms).add_all(self._recent)

    @property
    def shown(self) -> Totals:
        """The sums to show now."""
        return self.recent if self.running else self.totals


def summary(totals: Totals) -> str:
    """The line below a reply."""
    tokens = totals.tokens
    if not tokens:
        return ""
    parts = [translate("Speed", "{speed:.1f} tokens/s").format(speed=totals.tokens_per_second)]
    if totals.speedup is not None:
        parts.append(translate("Speed", "{speedup:.2f}× plain").format(speedup=totals.speedup))
    parts += [
        translate("Speed", "{tokens:.2f} tokens per round").format(tokens=totals.tokens_per_round),
        translate("Speed", "%n token(s)", "", tokens),
        translate("Speed", "first after {seconds:.2f} s").format(seconds=totals.time_to_first_token_ms / 1000),
    ]
    if totals.relaxed:
        parts.append(translate("Speed", "{share:.1%} not exact").format(share=totals.relaxed / totals.tokens))
    ends = {
        "stop": translate("Speed", "the model ended it"),
        "length": translate("Speed", "stopped at the length limit"),
        "context": translate("Speed", "the context is full"),
        "cancelled": translate("Speed", "stopped"),
    }
    if totals.stop_reason in ends:
        parts.append(ends[totals.stop_reason])
    return " · ".join(parts)
