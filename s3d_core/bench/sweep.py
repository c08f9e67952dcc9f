"""The sweep: strategy s3d at every pair of skipped layers and draft length, each against plain decoding."""

import random
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from s3d_core.bench.beside import beside_plain, over_plain
from s3d_core.bench.contenders import Ours, Reply
from s3d_core.bench.run import spread
from s3d_core.engine import Engine
from s3d_core.errors import SettingError
from s3d_core.settings import DraftSettings, SamplingSettings

# Steps of skipped layers from none to the most that are tried.
_STEPS = 8
_MOST_SKIPPED = 0.8


@dataclass
class Cell:
    """What one pair of settings did.

    Attributes:
        ratios: speed over plain decoding, a prompt each.
        tokens, rounds: over all prompts.
    """

    skipped: int
    draft_length: int
    ratios: list[float] = field(default_factory=list)
    speeds: list[float] = field(default_factory=list)
    tokens: int = 0
    rounds: int = 0

    @property
    def speed_up(self) -> float | None:
        """The median ratio; None where no reply was long enough to be timed."""
        return statistics.median(self.ratios) if self.ratios else None

    def record(self) -> dict:
        """The cell as plain JSON types."""
        lower, middle, upper = spread(self.ratios)
        return {
            "skipped": self.skipped,
            "draft_length": self.draft_length,
            "speed_up": middle,
            "quartiles": [lower, upper],
            "tokens_per_second": statistics.median(self.speeds) if self.speeds else None,
            "tokens_per_round": self.tokens / self.rounds if self.rounds else 0.0,
        }


def grid(engine: Engine) -> list[Cell]:
    """Empty cells: every draft length the adapter has slots for, by skipped layers from none to most.

    Raises:
        SettingError: there is no adapter, so strategy s3d cannot run.
    """
    if engine.adapter is None:
        raise SettingError("This model has no draft adapter, so there is nothing to sweep; train one with `s3d train`.")
    most = min(engine.target.most_skipped(), round(_MOST_SKIPPED * engine.target.depth))
    skips = sorted({round(most * step / _STEPS) for step in range(_STEPS + 1)})
    return [Cell(skipped, length) for length in range(1, engine.adapter.slots + 1) for skipped in skips]


def sweep(
    engine: Engine,
    draft: DraftSettings,
    prompts: Sequence[list[int]],
    sampling: SamplingSettings,
    report: Callable[[int, str], None],
    stopped: Callable[[], bool] = lambda: False,
) -> list[Cell]:
    """Measure every cell on every prompt, some cells at a time between two plain replies of the same prompt.

    Args:
        draft: what all cells share: tree size and the like.
        report: called with (prompts done, what is at work).
        stopped: asked behind some cells; when it says so, the cells are returned as they are.
    """
    cells = grid(engine)
    plain = Ours(engine, replace(draft, strategy="plain"))
    runs = [
        Ours(engine, replace(draft, strategy="s3d", skipped=cell.skipped, draft_length=cell.draft_length))
        for cell in cells
    ]

    for contender in (plain, runs[-1]):
        # A short reply that is not counted pays for threads, memory and compiled parts.
        contender.reply(prompts[0], SamplingSettings(max_tokens=8, temperature=sampling.temperature))
    for number, ids in enumerate(prompts):
        # Each prompt has its own order, so that no cell is always measured beside the same ones.
        order = random.Random(number).sample(range(len(cells)), len(cells))

        def tell(at: int, number: int = number) -> None:
            report(number, f"{cells[at].skipped} skipped, {cells[at].draft_length} drafted")

        for at, done, before, after in beside_plain(plain, [(i, runs[i]) for i in order], ids, sampling, tell):
            _count(cells[at], done, before, after)
            if stopped():
                return cells
    return cells


def _count(cell: Cell, done: Reply, before: Reply, after: Reply) -> None:
    cell.tokens += len(done.ids)
    cell.rounds += done.rounds
    ratio = over_plain(done, before, after)
    if ratio is not None and done.tokens_per_second is not None:
        cell.speeds.append(done.tokens_per_second)
        cell.ratios.append(ratio)


def best(cells: Sequence[Cell]) -> Cell | None:
    """The fastest cell, or None where nothing could be timed."""
    timed = [cell for cell in cells if cell.speed_up is not None]
    return max(timed, key=lambda cell: cell.speed_up or 0.0) if timed else None


def table(cells: Sequence[Cell]) -> str:
    """The speed-ups as a table for a terminal, the best one starred."""
    skips = sorted({cell.skipped for cell in cells})
    lengths = sorted({cell.draft_length for cell in cells})
    found = {(cell.skipped, cell.draft_length): cell for cell in cells}
    winner = best(cells)
    lines = ["drafted \\ skipped" + "".join(f"{skipped:>8}" for skipped in skips)]
    for length in lengths:
        row = [found[skipped, length] for skipped in skips]
        shown = ["-" if c.speed_up is None else f"{c.speed_up:.2f}" + "*" * (c is winner) for c in row]
        lines.append(f"{length:>17}" + "".join(f"{text:>8}" for text in shown))
    return "\n".join(lines)
