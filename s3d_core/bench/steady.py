"""What replies would have taken had every pass taken its usual time.

On a machine that others use too, a reply's time differs by a third from one minute to the next, and one prompt says
little of which settings are faster. What a reply consists of does not differ: so many draft and verify passes of such
shapes. Every shape has a usual time and every prompt, whose replies all come within seconds, a pace; both are medians,
found in turns (a median polish of the logarithms). Of the usual times a reply's steady time is made.
"""

import math
import statistics
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from s3d_core.stats import Round

# Tokens of context by which passes are told apart. All continue the same prompts, so what a context costs within a
# span is the same for all; with narrow spans a shape would come up too seldom for its median to be one.
_SPAN = 512
# Turns after which neither medians move any more, and the least that a part takes: logarithms know no less.
_TURNS, _LEAST_MS = 8, 1e-3


Shape = tuple[str | int | bool, ...]
"""What takes the same time wherever it is equal: "draft", "verify" or "rest", and what tells them apart."""


class Part(NamedTuple):
    """A part of a reply's time.

    Attributes:
        shape: what of; ms: how long.
    """

    shape: Shape
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


def usual(prompts: Sequence[Sequence[Part]]) -> dict[Shape, float]:
    """Milliseconds that each shape usually takes.

    Args:
        prompts: the parts of all replies to a prompt, of each prompt.
    """
    logs = [[(part.shape, math.log(max(part.ms, _LEAST_MS))) for part in found] for found in prompts]
    pace = [0.0] * len(logs)
    usually: dict[Shape, float] = {}
    for _ in range(_TURNS):
        taken: dict[Shape, list[float]] = defaultdict(list)
        for found, here in zip(logs, pace, strict=True):
            for shape, log in found:
                taken[shape].append(log - here)
        usually = {shape: statistics.median(all_of_it) for shape, all_of_it in taken.items()}
        # Verify passes are what all replies have.
        surprises = [[log - usually[shape] for shape, log in found if shape[0] == "verify"] for found in logs]
        pace = [statistics.median(some) if some else 0.0 for some in surprises]
    return {shape: math.exp(log) for shape, log in usually.items()}


def steady_ms(reply: Sequence[Part], usual_ms: dict[Shape, float]) -> float:
    """What a reply's parts usually take together."""
    return sum(usual_ms[part.shape] for part in reply)
