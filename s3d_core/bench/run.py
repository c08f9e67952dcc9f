"""Interleaved measuring and its summary: medians, ratios prompt by prompt, and the spread."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from s3d_core.bench.contenders import Contender, Reply
from s3d_core.settings import SamplingSettings

# What every row's speed is told as a ratio of, where it takes part.
REFERENCES = ("plain", "hf", "hf-lookup", "llama-q4_1")


@dataclass
class Row:
    """What one contender did over all prompts."""

    name: str
    replies: list[Reply] = field(default_factory=list)
    categories: list[str] = field(default_factory=list)

    @property
    def tokens_per_round(self) -> float:
        """Over all replies together."""
        rounds = sum(r.rounds for r in self.replies)
        return sum(len(r.ids) for r in self.replies) / rounds if rounds else 0.0

    @property
    def acceptance(self) -> list[float]:
        """Share of rounds in which the first k drafts were accepted."""
        slots = max((len(r.tried_per_slot) for r in self.replies), default=0)

        def total(lists):
            return [sum(x[i] for x in lists if i < len(x)) for i in range(slots)]

        tried = total([r.tried_per_slot for r in self.replies])
        accepted = total([r.accepted_per_slot for r in self.replies])
        return [a / t if t else 0.0 for a, t in zip(accepted, tried, strict=True)]

    @property
    def first_ms(self) -> float:
        """Median time to the first token."""
        return statistics.median(r.first_ms for r in self.replies)


def measure(
    contenders: Sequence[Contender],
    prompts: Sequence[tuple[str, list[int]]],
    sampling: SamplingSettings,
    report: Callable[[int, str], None],
) -> list[Row]:
    """Let every contender continue every prompt, taking turns and changing who begins.

    Args:
        prompts: (category, token ids).
        report: called with (prompts done, contender at work).
    """
    rows = {c.name: Row(c.name) for c in contenders}
    for contender in contenders:
        # A short reply that is not counted pays for threads, memory and compiled parts.
        contender.reply(prompts[0][1], SamplingSettings(max_tokens=8, temperature=sampling.temperature))
    for number, (category, ids) in enumerate(prompts):
        shift = number % len(contenders)
        for contender in (*contenders[shift:], *contenders[:shift]):
            report(number, contender.name)
            rows[contender.name].replies.append(contender.reply(ids, sampling))
            rows[contender.name].categories.append(category)
    return list(rows.values())


def ratios(row: Row, other: Row) -> list[float]:
    """Speed of `row` over `other`, prompt by prompt; replies too short to time are left out."""
    pairs = zip(row.replies, other.replies, strict=True)
    speeds = [(a.tokens_per_second, b.tokens_per_second) for a, b in pairs]
    return [a / b for a, b in speeds if a and b]


def spread(values: Sequence[float]) -> tuple[float, float, float] | tuple[None, None, None]:
    """Median and quartiles: (lower, median, upper); Nones where nothing could be measured."""
    if not values:
        return None, None, None
    if len(values) == 1:
        return values[0], values[0], values[0]
    lower, middle, upper = statistics.quantiles(values, n=4, method="inclusive")
    return lower, middle, upper


def summary(rows: Sequence[Row], bandwidth: float | None = None) -> list[dict]:
    """One JSON-ready record a contender.

    Args:
        bandwidth: bytes a second that this machine reads.
    """
    by_name = {row.name: row for row in rows}
    reference = by_name.get("plain", rows[0])
    records = []
    for row in rows:
        read = spread([rate for r in row.replies if (rate := r.bytes_per_second)])
        record: dict[str, Any] = {
            "strategy": row.name,
            "prompts": len(row.replies),
            "tokens": sum(len(r.ids) for r in row.replies),
            "tokens_per_second": _quartiles(spread([s for r in row.replies if (s := r.tokens_per_second)])),
            "tokens_per_round": row.tokens_per_round,
            "acceptance_per_slot": row.acceptance,
            "time_to_first_token_ms": row.first_ms,
            "bytes_per_second": _quartiles(read),
            "share_of_bandwidth": read[1] / bandwidth if read[1] and bandwidth else None,
            "same_text_as_plain": sum(a.ids == b.ids for a, b in zip(row.replies, reference.replies, strict=True)),
            "ratio": {n: _quartiles(spread(ratios(row, by_name[n]))) for n in REFERENCES if n in by_name},
            "by_category": _by_category(row, reference),
        }
        records.append(record)
    return records


def _quartiles(found: Sequence[float | None]) -> dict:
    lower, middle, upper = found
    return {"median": middle, "quartiles": [lower, upper]}


def _by_category(row: Row, reference: Row) -> dict:
    found: dict[str, dict] = {}
    for category in sorted(set(row.categories)):
        chosen = [i for i, name in enumerate(row.categories) if name == category]
        part = Row(row.name, [row.replies[i] for i in chosen])
        other = Row(reference.name, [reference.replies[i] for i in chosen])
        found[category] = {
            "prompts": len(chosen),
            "tokens_per_round": part.tokens_per_round,
            "tokens_per_second": spread([s for r in part.replies if (s := r.tokens_per_second)])[1],
            f"ratio_to_{reference.name}": spread(ratios(part, other))[1],
        }
    return found


def table(records: Sequence[dict]) -> str:
    """The records as a table for a terminal."""
    names = [n for n in REFERENCES if n in records[0]["ratio"]]
    read = any(r["share_of_bandwidth"] is not None for r in records)
    head = ["strategy", "tokens/s", "(quartiles)", "tokens/round", *(f"x {n}" for n in names), "first token"]
    lines = [[*head, *["of bandwidth"] * read, "same text"]]
    for r in records:
        speed, share = r["tokens_per_second"], r["share_of_bandwidth"]
        line = [
            r["strategy"],
            _shown(speed["median"], 1),
            _range(speed["quartiles"], 1),
            f"{r['tokens_per_round']:.2f}",
            *(f"{_shown(q['median'], 2)} {_range(q['quartiles'], 2)}" for n in names for q in [r["ratio"][n]]),
            f"{r['time_to_first_token_ms']:.0f} ms",
        ]
        if read:
            line.append("-" if share is None else f"{share:.0%}")
        lines.append([*line, f"{r['same_text_as_plain']}/{r['prompts']}"])
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return "\n".join("  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip() for line in lines)


def _shown(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _range(quartiles: Sequence[float | None], digits: int) -> str:
    return "({}-{})".format(*(_shown(q, digits) for q in quartiles))
