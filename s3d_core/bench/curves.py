"""Scaling curves of strategy s3d: over the context, the draft length, the tree's size and the skipped layers.

Every point is measured beside plain decoding of the same prompt at the same context (see `beside`). A curve ends
when its time is over; which points were not reached is told.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from s3d_core.bench.beside import beside_plain, over_plain
from s3d_core.bench.contenders import Ours, Reply
from s3d_core.bench.run import quartiles, spread
from s3d_core.engine import Engine
from s3d_core.errors import SettingError
from s3d_core.settings import MAX_DRAFT_LENGTH, MAX_TREE_SIZE, DraftSettings, SamplingSettings

NAMES = ("context", "draft length", "tree size", "skipped layers")
_UNITS = ("tokens of context", "tokens drafted ahead", "candidates in the tree", "layers skipped in the draft pass")
_FIRST_CONTEXT = 256
_TREES = (1, 2, 4, 8, 12, 16, 24, 32, 48, MAX_TREE_SIZE)
# Steps from no skipped layer to the most.
_STEPS = 10
# A text of twice the length takes at most so many times as long: reading it costs more than its length.
_GROWTH = 3.0
_QUESTION = "Sum up what is said above, with all that matters."


@dataclass
class Point:
    """What was measured at one place of a curve; every list has a number for each prompt."""

    x: int
    ratios: list[float] = field(default_factory=list)
    speeds: list[float] = field(default_factory=list)
    plain: list[float] = field(default_factory=list)
    first_ms: list[float] = field(default_factory=list)
    per_round: list[float] = field(default_factory=list)
    draft_ms: list[float] = field(default_factory=list)
    verify_ms: list[float] = field(default_factory=list)

    def count(self, done: Reply, before: Reply, after: Reply) -> None:
        """Take in a reply and the plain ones around it."""
        ratio, speed = over_plain(done, before, after), done.tokens_per_second
        if ratio is not None and speed is not None:
            self.ratios.append(ratio)
            self.speeds.append(speed)
            self.plain.append(speed / ratio)
        self.per_round.append(done.tokens_per_round)
        for held, found in ((self.draft_ms, done.draft_ms), (self.verify_ms, done.verify_ms)):
            if (middle := spread(found)[1]) is not None:
                held.append(middle)

    def record(self) -> dict[str, Any]:
        """The point as plain JSON types: medians over the prompts, with quartiles."""
        return {
            "x": self.x,
            "prompts": len(self.per_round),
            "tokens_per_second": quartiles(spread(self.speeds)),
            "plain_tokens_per_second": quartiles(spread(self.plain)),
            "plain_ms": quartiles(spread([1000 / speed for speed in self.plain])),
            "ratio": quartiles(spread(self.ratios)),
            "tokens_per_round": quartiles(spread(self.per_round)),
            "draft_ms": quartiles(spread(self.draft_ms)),
            "verify_ms": quartiles(spread(self.verify_ms)),
            "time_to_first_token_ms": quartiles(spread(self.first_ms)),
        }


@dataclass
class Curve:
    """A curve's points by ascending x, of which those that time did not suffice for are empty."""

    name: str
    across: str
    points: list[Point]

    def record(self) -> dict[str, Any]:
        """The curve as plain JSON types."""
        return {
            "name": self.name,
            "across": self.across,
            "points": [point.record() for point in self.points if point.per_round],
            "left_out": [point.x for point in self.points if not point.per_round],
        }


def grid(engine: Engine, most: int) -> list[Curve]:
    """The curves, still empty; contexts go up to what leaves room for replies of `most` tokens.

    Raises:
        SettingError: there is no adapter, so strategy s3d cannot run, or no room for the shortest context.
    """
    if "s3d" not in engine.strategies:
        raise SettingError("This model has no draft adapter, so s3d has no curves; train one with `s3d train`.")
    last = engine.context_limit - most
    contexts = [_FIRST_CONTEXT << step for step in range(32) if _FIRST_CONTEXT << step < last]
    if last < _FIRST_CONTEXT:
        raise SettingError(f"--curves needs a context of {_FIRST_CONTEXT + most} tokens; give a longer --context.")
    deepest = engine.target.most_skipped()
    xs = (
        [*contexts, last],
        list(range(1, MAX_DRAFT_LENGTH + 1)),
        list(_TREES),
        sorted({round(deepest * step / _STEPS) for step in range(_STEPS + 1)}),
    )
    return [Curve(name, unit, [Point(x) for x in places]) for name, unit, places in zip(NAMES, _UNITS, xs, strict=True)]


def measure_curves(
    engine: Engine,
    draft: DraftSettings,
    questions: Sequence[str],
    sampling: SamplingSettings,
    seconds: float,
    report: Callable[[str, float], None],
    stopped: Callable[[], bool] = lambda: False,
) -> list[Curve]:
    """Measure all curves.

    Args:
        draft: what a curve does not vary; a tree grows to its size only with a least probability of 0.
        questions: texts, each of which every point is measured on; long contexts are made of all of them.
        seconds: the most that all curves together may take; each has an equal part of it.
        report: called with (what is at work, 0..1).
        stopped: asked between replies; when it says so, the curves are returned as they are.
    """
    curves = grid(engine, sampling.max_tokens)
    plain = Ours(engine, replace(draft, strategy="plain"))
    base = replace(draft, strategy="s3d")
    prompts = [engine.chat_ids([{"role": "user", "content": text}]) for text in questions]
    for contender in (plain, Ours(engine, base)):
        # A short reply that is not counted pays for threads, memory and compiled parts.
        contender.reply(prompts[0], replace(sampling, max_tokens=8))
    settings: tuple[Callable[[int], DraftSettings] | None, ...] = (
        None,
        lambda x: replace(base, draft_length=x),
        lambda x: replace(base, tree_size=x),
        lambda x: replace(base, skipped=x),
    )
    began = time.monotonic()
    for number, (curve, changed) in enumerate(zip(curves, settings, strict=True)):
        end = began + seconds * (number + 1) / len(curves)

        def tell(x: int, curve: Curve = curve) -> None:
            report(f"{curve.name} {x:,}", min(1.0, (time.monotonic() - began) / seconds))

        if changed is None:
            _contexts(curve, engine, plain, Ours(engine, base), questions, sampling, end, tell, stopped)
        else:
            runs = [Ours(engine, changed(point.x)) for point in curve.points]
            _settings(curve, plain, runs, prompts, sampling, end, tell, stopped)
        if stopped():
            break
    return curves


def _settings(curve, plain, runs, prompts, sampling, end, tell, stopped) -> None:
    """Every point on every prompt, as long as there is time."""
    for ids in prompts:
        found = beside_plain(
            plain, list(enumerate(runs)), ids, sampling, lambda at: tell(curve.points[at].x), cold=False
        )
        for at, done, before, after in found:
            curve.points[at].count(done, before, after)
            if stopped() or time.monotonic() > end:
                return


def _contexts(curve, engine, plain, run, questions, sampling, end, tell, stopped) -> None:
    """Every context on texts that begin with another question each; the longer ones only while there is time."""
    for number in range(len(questions)):
        took = 0.0
        for point in curve.points:
            began = time.monotonic()
            if stopped() or began + took * _GROWTH > end:
                break
            tell(point.x)
            ids = long_prompt(engine, [*questions[number:], *questions[:number]], point.x)
            engine.cache.rewind(0)
            # This reads the text, for the time to the first token; the others find it in the cache.
            point.first_ms.append(plain.reply(ids, replace(sampling, max_tokens=2), cold=False).first_ms)
            for _, done, before, after in beside_plain(plain, [(0, run)], ids, sampling, lambda _: None, cold=False):
                point.count(done, before, after)
            took = time.monotonic() - began


def long_prompt(engine: Engine, texts: Sequence[str], length: int) -> list[int]:
    """A chat of exactly `length` tokens: the texts, over and over, cut, and at last what to do with them."""
    body = "\n\n".join(texts)
    ending, other = (engine.chat_ids([{"role": "user", "content": said}]) for said in (_QUESTION, body))
    # What the template puts before a question is what chats have in common.
    pairs = zip(ending, other, strict=False)
    begun = next((i for i, (one, another) in enumerate(pairs) if one != another), min(len(ending), len(other)))
    filling = engine.tokenizer(body + "\n\n", add_special_tokens=False)["input_ids"]
    room = max(0, length - len(ending))
    filled = (filling * (1 + room // len(filling)))[:room]
    return [*ending[:begun], *filled, *ending[begun:]][-length:]


def table(curves: Sequence[Curve]) -> str:
    """The medians as tables for a terminal."""
    lines = []
    for curve in curves:
        record = curve.record()
        lines.append(f"{curve.across:<34}tokens/s   over plain   tokens/round   draft ms   verify ms   plain ms")
        for point in record["points"]:
            shown = [
                _shown(point[name]["median"], digits)
                for name, digits in (("tokens_per_second", 1), ("ratio", 2), ("tokens_per_round", 2),
                                     ("draft_ms", 1), ("verify_ms", 1), ("plain_ms", 1))
            ]  # fmt: skip
            widths = (11, 13, 15, 11, 12, 11)
            figures = "".join(f"{text:>{width}}" for text, width in zip(shown, widths, strict=True))
            lines.append(f"{point['x']:>31,}{figures}")
        if record["left_out"]:
            left = ", ".join(f"{x:,}" for x in record["left_out"])
            lines.append(f"Not reached in the time: {left}; --minutes gives more.")
        lines.append("")
    return "\n".join(lines).rstrip()


def _shown(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
