"""One answer in the terminal: streamed, counted, and stopped by Ctrl-C."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from app.terminal import stop_on_interrupt
from s3d_core.settings import PROBE_EVERY, DraftSettings, SamplingSettings
from s3d_core.stats import Totals

if TYPE_CHECKING:
    from s3d_core.engine import Engine


@dataclass
class Answer:
    """A finished or stopped answer.

    Attributes:
        text: what was written.
        ids: its tokens.
        totals: sums over its rounds.
    """

    text: str = ""
    ids: list[int] = field(default_factory=list)
    totals: Totals = field(default_factory=Totals)

    @property
    def was_stopped(self) -> bool:
        """Whether Ctrl-C ended it."""
        return self.totals.stop_reason == "cancelled"


def generate(
    engine: "Engine",
    ids: list[int],
    draft: DraftSettings,
    sampling: SamplingSettings,
    show: Callable[[str], None],
) -> Answer:
    """Generate an answer to the prompt `ids`; `show` gets its text piece by piece.

    The first Ctrl-C ends it after the round at work; what was measured until then stays.

    Raises:
        PromptError, SettingError: the engine refuses the prompt or a setting.
    """
    answer = Answer(totals=Totals())
    began = time.perf_counter()
    with stop_on_interrupt() as stopped:
        for done in engine.generate(ids, draft, sampling, cancel=stopped.is_set, probe_every=PROBE_EVERY):
            if answer.totals.rounds == 0:
                answer.totals.prefill_ms = max(0.0, 1000 * (time.perf_counter() - began) - done.total_ms)
            answer.totals.add(done)
            answer.ids.extend(done.ids)
            answer.text += done.text
            show(done.text)
    answer.totals.plain_ms = engine.plain_ms
    return answer


def write_out(text: str) -> None:
    """Show a piece of an answer on stdout at once."""
    sys.stdout.write(text)
    sys.stdout.flush()


def status_line(totals: Totals) -> str:
    """What was measured, on one line."""
    parts = [f"{totals.tokens_per_second:.1f} tokens/s"]
    if totals.speedup is not None:
        parts.append(f"{totals.speedup:.2f} × plain decoding ({totals.plain_tokens_per_second:.1f} tokens/s)")
    parts.append(f"{totals.tokens_per_round:.2f} tokens per round")
    parts.append(f"{totals.accepted}/{totals.drafted} drafts accepted")
    if totals.stop_reason in ("length", "context", "cancelled"):
        reason = {"length": "at the most tokens", "context": "at the context's end", "cancelled": "by you"}
        parts.append(f"stopped {reason[totals.stop_reason]}")
    return " · ".join(parts)
