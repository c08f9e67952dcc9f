"""Plain decoding and drafting on the same prompt, in turn, measured on this machine.

Speeds change from one minute to the next, so the two take turns, and the same seed makes both write
the same text: what differs is the time alone.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from app.diagnostics.private import private
from s3d_core.settings import DraftSettings, SamplingSettings
from s3d_core.stats import Totals

TOKENS = 96
TURNS = 2


@dataclass(frozen=True)
class Run:
    """One continuation of the prompt: its tokens and its sums; reading the prompt is not in them."""

    ids: tuple[int, ...]
    totals: Totals


@dataclass(frozen=True)
class Comparison:
    """What was measured.

    Attributes:
        settings: what the drafted runs ran with.
        plain, drafted: the runs of each, in the order they were made; turn by turn a plain one came first.
    """

    settings: DraftSettings
    plain: tuple[Run, ...]
    drafted: tuple[Run, ...]

    @property
    def plain_speed(self) -> float:
        """Tokens per second of the plain runs together."""
        return _speed(self.plain)

    @property
    def drafted_speed(self) -> float:
        """Tokens per second of the drafted runs together."""
        return _speed(self.drafted)

    @property
    def ratio(self) -> float:
        """How many times the plain speed the drafted one is."""
        return self.drafted_speed / self.plain_speed

    @property
    def tokens(self) -> int:
        """Tokens of one plain run."""
        return len(self.plain[0].ids)

    @property
    def differs_at(self) -> int | None:
        """The first token, counted from 1, at which a run differs from the first plain one; None if none does."""
        first = self.plain[0].ids
        places = [_first_difference(first, run.ids) for run in (*self.plain, *self.drafted)]
        return min((place for place in places if place is not None), default=None)


def compare(
    engine: Any,
    messages: list[dict],
    settings: DraftSettings,
    sampling: SamplingSettings,
    cancel: Callable[[], bool],
    progress: Callable[[int, int], None],
    tokens: int = TOKENS,
) -> Comparison | None:
    """Continue a chat plainly and with drafts, `TURNS` times each in turn.

    Args:
        engine: a loaded `s3d_core.engine.Engine`.
        settings: what the drafted runs run with.
        sampling: of the chat, its seed included; its length limit is not used.
        progress: called with (tokens written, tokens to write).
        tokens: to write in each run; fewer are written where the model ends its reply.

    Returns:
        None if `cancel` said so.

    Raises:
        S3DError: the prompt or the settings do not fit the model.
    """
    ids = engine.chat_ids(messages)
    sampling = replace(sampling, max_tokens=tokens)
    runs: dict[bool, list[Run]] = {False: [], True: []}
    for number in range(2 * TURNS):
        drafted = number % 2 == 1
        chosen = settings if drafted else replace(settings, strategy="plain", exactness=1.0)
        totals, written = Totals(), []
        engine.forget_texts()  # else a run would draft better for what the one before it wrote
        for done in engine.generate(ids, chosen, sampling, cancel=cancel, on_prefill=_ignore):
            if done.stop_reason == "cancelled":
                return None
            totals.add(done)
            private.write_on(done.text)
            written += done.ids
            progress(number * tokens + len(written), 2 * TURNS * tokens)
        runs[drafted].append(Run(tuple(written), totals))
    return Comparison(settings, tuple(runs[False]), tuple(runs[True]))


def _ignore(done: int, total: int) -> None:
    """How far the prompt is read: the chat's last prompt is in the cache already."""


def _speed(runs: tuple[Run, ...]) -> float:
    spent = sum(run.totals.total_ms for run in runs)
    return 1000 * sum(len(run.ids) for run in runs) / spent if spent else 0.0


def _first_difference(first: tuple[int, ...], other: tuple[int, ...]) -> int | None:
    for place, (one, two) in enumerate(zip(first, other, strict=False), 1):
        if one != two:
            return place
    return None if len(first) == len(other) else min(len(first), len(other)) + 1
