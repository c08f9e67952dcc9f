"""Interleaved measuring and its summary: medians, ratios prompt by prompt, and the spread."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from s3d_core.bench.contenders import Contender, Reply
from s3d_core.bench.memory import HighWater
from s3d_core.bench.steady import steady_ms, usual
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

    @property
    def peak_bytes(self) -> int | None:
        """The most memory that one of the replies had for itself; None where it was not measured."""
        return max((r.peak_bytes for r in self.replies if r.peak_bytes is not None), default=None)


def measure(
    contenders: Sequence[Contender],
    prompts: Sequence[tuple[str, list[int]]],
    sampling: SamplingSettings,
    report: Callable[[int, str], None],
    device: torch.device | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> list[Row]:
    """Let every contender continue every prompt, taking turns and changing who begins.

    Args:
        prompts: (category, token ids).
        report: called with (prompts done, contender at work).
        device: whose memory is measured; None for the host's.
        stopped: asked before each reply; when it says so, the prompts that all contenders continued are what there is.

    Returns:
        A row a contender; without replies where it was stopped before the first prompt was done.
    """
    water = HighWater(device or torch.device("cpu"))
    rows = {c.name: Row(c.name) for c in contenders}
    for contender in contenders:
        if stopped():
            break
        # A short reply that is not counted pays for threads, memory and compiled parts.
        contender.reply(prompts[0][1], SamplingSettings(max_tokens=8, temperature=sampling.temperature))
    for number, (category, ids) in enumerate(prompts):
        shift = number % len(contenders)
        for contender in (*contenders[shift:], *contenders[:shift]):
            if stopped():
                for row in rows.values():
                    del row.replies[number:], row.categories[number:]
                return list(rows.values())
            report(number, contender.name)
            held = contender.held
            water.begin()
            reply = contender.reply(ids, sampling)
            grown = water.grown()
            peak = None if held is None or grown is None else held + grown
            rows[contender.name].replies.append(replace(reply, peak_bytes=peak))
            rows[contender.name].categories.append(category)
    return list(rows.values())


def ratios(row: Row, other: Row) -> list[float]:
    """Speed of `row` over `other`, prompt by prompt; replies too short to time are left out."""
    pairs = zip(row.replies, other.replies, strict=True)
    return [ratio for a, b in pairs if (ratio := _over(a, b))]


def _over(reply: Reply, other: Reply) -> float | None:
    speed, reference = reply.tokens_per_second, other.tokens_per_second
    return speed / reference if speed and reference else None


def spread(values: Sequence[float]) -> tuple[float, float, float] | tuple[None, None, None]:
    """Median and quartiles: (lower, median, upper); Nones where nothing could be measured."""
    if not values:
        return None, None, None
    if len(values) == 1:
        return values[0], values[0], values[0]
    lower, middle, upper = statistics.quantiles(values, n=4, method="inclusive")
    return lower, middle, upper


def summary(rows: Sequence[Row], bandwidth: float | None = None) -> list[dict]:
    """One JSON-ready record a contender; "ratio" in "by_prompt" is over plain, or over the first row without it.

    Args:
        bandwidth: bytes a second that this machine reads.
    """
    by_name = {row.name: row for row in rows}
    reference = by_name.get("plain", rows[0])
    together = zip(*(row.replies for row in rows), strict=True)
    usual_ms = usual([[part for reply in replies for part in reply.parts] for replies in together])
    records = []
    for row in rows:
        read = spread([rate for r in row.replies if (rate := r.bytes_per_second)])
        record: dict[str, Any] = {
            "strategy": row.name,
            "prompts": len(row.replies),
            "tokens": sum(len(r.ids) for r in row.replies),
            "tokens_per_second": quartiles(spread([s for r in row.replies if (s := r.tokens_per_second)])),
            "tokens_per_round": row.tokens_per_round,
            "acceptance_per_slot": row.acceptance,
            "time_to_first_token_ms": row.first_ms,
            "peak_bytes": row.peak_bytes,
            "bytes_per_second": quartiles(read),
            "share_of_bandwidth": read[1] / bandwidth if read[1] and bandwidth else None,
            "same_text_as_plain": sum(a.ids == b.ids for a, b in zip(row.replies, reference.replies, strict=True)),
            "ratio": {n: quartiles(spread(ratios(row, by_name[n]))) for n in REFERENCES if n in by_name},
            "steady_ratio": _steady(row, reference, usual_ms),
            "by_category": _by_category(row, reference, usual_ms),
            "by_prompt": [
                {"category": category, "tokens_per_second": a.tokens_per_second, "ratio": _over(a, b)}
                for category, a, b in zip(row.categories, row.replies, reference.replies, strict=True)
            ],
        }
        records.append(record)
    return records


def quartiles(found: Sequence[float | None]) -> dict:
    """What `spread` found, as plain JSON types."""
    lower, middle, upper = found
    return {"median": middle, "quartiles": [lower, upper]}


def _steady(row: Row, reference: Row, usual_ms: dict) -> float | None:
    """Speed over another row, all replies together, with each pass at its usual time; None for peers."""
    speeds = []
    for one in (row, reference):
        timed = [r for r in one.replies if r.parts]
        ms = sum(steady_ms(r.parts, usual_ms) for r in timed)
        speeds.append(sum(r.later_tokens for r in timed) / ms if ms else 0.0)
    return speeds[0] / speeds[1] if all(speeds) else None


def _by_category(row: Row, reference: Row, usual_ms: dict) -> dict:
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
            "steady_ratio": _steady(part, other, usual_ms),
        }
    return found


def table(records: Sequence[dict]) -> str:
    """The records as a table for a terminal."""
    names = [n for n in REFERENCES if n in records[0]["ratio"]]
    read = any(r["share_of_bandwidth"] is not None for r in records)
    steady = any(r["steady_ratio"] for r in records)
    weighed = any(r["peak_bytes"] is not None for r in records)
    head = ["strategy", "tokens/s", "(quartiles)", "tokens/round", *(f"x {n}" for n in names)]
    head += [*["steady"] * steady, "first token"]
    lines = [[*head, *["peak memory"] * weighed, *["of bandwidth"] * read, "same text"]]
    for r in records:
        speed, share = r["tokens_per_second"], r["share_of_bandwidth"]
        line = [
            r["strategy"],
            _shown(speed["median"], 1),
            _range(speed["quartiles"], 1),
            f"{r['tokens_per_round']:.2f}",
            *(f"{_shown(q['median'], 2)} {_range(q['quartiles'], 2)}" for n in names for q in [r["ratio"][n]]),
            *[_shown(r["steady_ratio"], 2)] * steady,
            f"{r['time_to_first_token_ms']:.0f} ms",
        ]
        if weighed:
            line.append("-" if r["peak_bytes"] is None else f"{r['peak_bytes'] / 1e6:,.0f} MB")
        if read:
            line.append("-" if share is None else f"{share:.0%}")
        lines.append([*line, f"{r['same_text_as_plain']}/{r['prompts']}"])
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return "\n".join("  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip() for line in lines)


def _shown(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _range(quartiles: Sequence[float | None], digits: int) -> str:
    return "({}-{})".format(*(_shown(q, digits) for q in quartiles))
