"""What relaxing costs: the positions of the speed/quality slider side by side.

Greedy by default, all positions in turn on the same prompts: speed, the share of tokens that plain
decoding would not have chosen, how probable the target itself finds what was written, and how
many simple sums come out right.
"""

import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from s3d_core.bench.contenders import Ours, Reply
from s3d_core.bench.run import Row, ratios, spread
from s3d_core.cache import Cache
from s3d_core.decode import prefill
from s3d_core.engine import Engine
from s3d_core.errors import PromptError, SettingError
from s3d_core.settings import DraftSettings, SamplingSettings
from s3d_core.target import Target

_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")
# Shown before each sum, so that even a small model answers in one line.
_SHOWN = (
    ("Rosa has 4 plums and buys 5 more. How many plums does she have?", "4 + 5 = 9. Rosa has 9 plums."),
    ("A baker had 17 rolls and sold 9. How many rolls are left?", "17 - 9 = 8. There are 8 rolls left."),
    ("A crate holds 6 bottles. How many bottles are in 4 crates?", "4 x 6 = 24. There are 24 bottles."),
)
# Rows whose logits are held at once.
_CHUNK = 64


@dataclass(frozen=True)
class Task:
    """A prompt, and the number that a right reply ends with, if it has one."""

    ids: list[int]
    answer: float | None = None


@dataclass
class Position:
    """What one position of the slider did over all tasks.

    Attributes:
        losses: the target's summed negative log-likelihood of each reply, in nats.
        right, answered: sums that came out right, and all of them.
    """

    exactness: float
    row: Row
    losses: list[float] = field(default_factory=list)
    right: int = 0
    answered: int = 0

    @property
    def tokens(self) -> int:
        """Written over all tasks."""
        return sum(len(reply.ids) for reply in self.row.replies)

    @property
    def relaxed(self) -> float:
        """Share of the tokens that plain decoding would not have chosen at their place."""
        return sum(reply.relaxed for reply in self.row.replies) / self.tokens if self.tokens else 0.0

    @property
    def perplexity(self) -> float:
        """Of all that was written, under the target at temperature 1."""
        return math.exp(sum(self.losses) / self.tokens) if self.tokens else math.nan


def read_sums(path: Path) -> list[tuple[str, float]]:
    """Questions and their answers from JSON lines with `question` and `answer`.

    Raises:
        PromptError: the file cannot be read, or a line is not of that form.
    """
    try:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        return [(str(row["question"]), float(row["answer"])) for row in rows]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PromptError(f'{path} must hold JSON lines with "question" and "answer": {error}.') from error


def sum_chat(question: str) -> list[dict]:
    """The chat in which a sum is asked: some others with their answers come before it."""
    turns = [text for shown in _SHOWN for text in shown]
    return [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate([*turns, question])]


def last_number(text: str) -> float | None:
    """The last number of a reply, which counts as its answer; None where there is none."""
    found = _NUMBER.findall(text)
    return float(found[-1].replace(",", "")) if found else None


def compare(
    engine: Engine,
    draft: DraftSettings,
    exactnesses: Sequence[float],
    tasks: Sequence[Task],
    sampling: SamplingSettings,
    report: Callable[[int, str], None],
) -> list[Position]:
    """Let every position do every task, taking turns and changing who begins.

    Args:
        report: called with (tasks done, what is at work).

    Raises:
        SettingError: the positions do not hold 1, or the strategy cannot run.
    """
    if 1.0 not in exactnesses:
        raise SettingError("Name 1 among the positions, as all others are compared with it.")
    positions = [Position(x, Row(f"{x:g}")) for x in exactnesses]
    runs = [Ours(engine, replace(draft, exactness=x)) for x in exactnesses]
    runs[0].reply(tasks[0].ids, SamplingSettings(max_tokens=8, temperature=sampling.temperature))  # pays for warming up
    for number, task in enumerate(tasks):
        for turn in range(len(runs)):
            at = (turn + number) % len(runs)
            report(number, f"exactness {exactnesses[at]:g}")
            reply = runs[at].reply(task.ids, sampling)
            positions[at].row.replies.append(reply)
            positions[at].losses.append(loss(engine.target, engine.cache, task.ids, reply.ids))
            if task.answer is not None:
                positions[at].answered += 1
                positions[at].right += _is_right(engine, reply, task.answer)
    return positions


def _is_right(engine: Engine, reply: Reply, answer: float) -> bool:
    return last_number(engine.tokenizer.decode(reply.ids, skip_special_tokens=True)) == answer


@torch.inference_mode()
def loss(target: Target, cache: Cache, prompt: list[int], written: list[int]) -> float:
    """The summed negative log-likelihood of `written` behind `prompt`, in nats, by the stock model's own passes."""
    ids = prompt + written
    last = len(ids) - 1
    prefill(target, cache, ids)  # also settles which of a long rope's frequencies the text has
    total = 0.0
    for start in range(len(prompt) - 1, last, _CHUNK):
        rows = torch.tensor(ids[start : min(start + _CHUNK, last)], device=target.device)
        following = torch.tensor(ids[start + 1 : start + 1 + len(rows)], device=target.device)
        cache.rewind(start)
        positions = torch.arange(start, start + len(rows), device=target.device)
        visible = torch.ones(len(rows), len(rows), dtype=torch.bool, device=target.device).tril()
        end = last if cache.long_rope else start + len(rows) - 1
        x = target.cached_pass(target.embed(rows), positions, end, cache, visible)
        log_p = target.logits(x).float().log_softmax(dim=-1)
        total -= float(log_p.gather(1, following[:, None]).double().sum())
        cache.commit(list(range(len(rows))), rows.tolist())
    return total


def records(positions: Sequence[Position]) -> list[dict]:
    """One JSON-ready record a position, compared with exactness 1."""
    exact = next(p for p in positions if p.exactness == 1.0)
    found = []
    for p in positions:
        lower, middle, upper = spread([s for reply in p.row.replies if (s := reply.tokens_per_second)])
        low, mid, high = spread(ratios(p.row, exact.row))
        pairs = zip(p.row.replies, exact.row.replies, strict=True)
        found.append(
            {
                "exactness": p.exactness,
                "replies": len(p.row.replies),
                "tokens": p.tokens,
                "tokens_per_second": {"median": middle, "quartiles": [lower, upper]},
                "ratio_to_exact": {"median": mid, "quartiles": [low, high]},
                "tokens_per_round": p.row.tokens_per_round,
                "relaxed_share": p.relaxed,
                "same_text_as_exact": sum(a.ids == b.ids for a, b in pairs),
                "perplexity": p.perplexity if math.isfinite(p.perplexity) else None,
                "right": p.right,
                "sums": p.answered,
            }
        )
    return found


def table(found: Sequence[dict]) -> str:
    """The records as a table for a terminal."""
    head = ["exactness", "tokens/s", "x exact", "tokens/round", "not plain's", "same text", "perplexity", "sums right"]
    lines = [head]
    for r in found:
        speed, ratio = r["tokens_per_second"]["median"], r["ratio_to_exact"]["median"]
        lines.append(
            [
                f"{r['exactness']:g}",
                "-" if speed is None else f"{speed:.1f}",
                "-" if ratio is None else f"{ratio:.2f}",
                f"{r['tokens_per_round']:.2f}",
                f"{r['relaxed_share']:.1%}",
                f"{r['same_text_as_exact']}/{r['replies']}",
                "-" if r["perplexity"] is None else f"{r['perplexity']:.2f}",
                f"{r['right']}/{r['sums']}",
            ]
        )
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    return "\n".join("  ".join(cell.rjust(w) for cell, w in zip(line, widths, strict=True)) for line in lines)
