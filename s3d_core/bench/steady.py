"""What replies would have taken had every pass taken its usual time.

On a machine that others use too, a reply's time differs by a third from one minute to the next, and one prompt says
little of which settings are faster. What a reply consists of does not differ: so many draft and verify passes of such
shapes. Each shape has its median over all replies of a run, and of those a reply's steady time is made.
"""

import statistics
from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from typing import NamedTuple

from s3d_core.stats import Round

# Tokens of context by which passes are told apart. All continue the same prompts, so what a context costs within a
# span is the same for all; with narrow spans a shape would come up too seldom for its median to be one.
_SPAN = 512


class Part(NamedTuple):
    """A part of a reply's time.

    Attributes:
        shape: what takes the same time wherever it is equal.
        ms: what it took.
    """

    shape: Hashable
    ms: float


def parts(name: str, done: Round, whole_ms: float) -> tuple[Part, Part, Part]:
    """A round's draft pass, its verify pass and the rest.

    Args:
        name: whose round it is; verify passes alone are the same for all.
        whole_ms: from the end of the round before to its own.
    """
    span, settings = done.context // _SPAN, done.settings
    draft = ("draft", name, settings.strategy, settings.skipped, done.drafted > 0, span)
    return (
        Part(draft, done.draft_ms),
        Part(("verify", done.drafted + 1, span), done.verify_ms),
        Part(("rest", name), whole_ms - done.draft_ms - done.verify_ms),
    )


def usual(replies: Iterable[Sequence[Part]]) -> dict[Hashable, float]:
    """The median milliseconds of each shape over all replies."""
    found: dict[Hashable, list[float]] = defaultdict(list)
    for reply in replies:
        for part in reply:
            found[part.shape].append(part.ms)
    return {shape: statistics.median(taken) for shape, taken in found.items()}


def steady_ms(reply: Sequence[Part], usual_ms: dict[Hashable, float]) -> float:
    """What a reply's parts usually take together."""
    return sum(usual_ms[part.shape] for part in reply)
