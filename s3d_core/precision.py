"""Which precision this machine decodes in fastest: passes of few rows over made-up weights of a model's shape.

A pass at batch 1 is its products with the weights, and what these cost does not depend on the weights' values. So a
part of the model's matrices, more than the caches hold, is timed in every precision in turn, on the very products that
a loaded model would run, and stands for the whole by its share of the bytes.
"""

import bisect
import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from s3d_core.kernels import jit
from s3d_core.kernels.jit import LANES
from s3d_core.kernels.layout import Kind, fits, usual_kind
from s3d_core.kernels.skinny import Packed
from s3d_core.layer import Weight, multiply
from s3d_core.pages import Room

# A plain step, and verify passes of a tree of 8 and of 16 candidates; then a piece of a prompt being read.
ROWS = (1, 9, 17)
READ_ROWS = 72
_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "int8": torch.bfloat16}
_LEAST_BYTES, _MOST_BYTES = 64 << 20, 128 << 20
# Outputs of the widest panel (see `kernels.layout`), which a matrix is cut at.
_PANEL = 3 * LANES
# At least so many turns in so many seconds; more of both where the machine is busy.
_SECONDS, _FEWEST, _MOST_SECONDS, _TURNS = 1.0, 3, 3.0, 30
# Of runs that nothing disturbed the second fastest takes hardly longer than the fastest.
_STEADY = 1.25
_CACHES = Path("/sys/devices/system/cpu/cpu0/cache")

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Sizes:
    """What a model's matrices follow from.

    Attributes:
        attended, kept: width of all query heads together, and of all key heads.
    """

    layers: int
    hidden: int
    attended: int
    kept: int
    intermediate: int
    vocabulary: int

    @property
    def linears(self) -> tuple[tuple[int, int], ...]:
        """(outputs, inputs) of a layer's matrices, joined as `layer.Layer` has them."""
        return (
            (self.attended + 2 * self.kept, self.hidden),
            (self.hidden, self.attended),
            (2 * self.intermediate, self.hidden),
            (self.hidden, self.intermediate),
        )

    @property
    def numbers(self) -> int:
        """Numbers that a pass reads: the layers' and the output head's."""
        return self.layers * sum(out * into for out, into in self.linears) + self.vocabulary * self.hidden

    def part(self, most: int) -> tuple[list[tuple[int, int]], int]:
        """(outputs, inputs) of matrices of about so many numbers, and how often to have them.

        Whole layers with their share of the output head; of a layer that is too large, some outputs of each matrix.
        """
        layer = sum(out * into for out, into in self.linears)
        times = max(1, min(self.layers, -(-most // layer)))
        share = min(1.0, most / layer)
        shapes = [(_cut(out, share), into) for out, into in self.linears]
        return [*shapes, (_cut(self.vocabulary, share / self.layers), self.hidden)], times


def _cut(out: int, share: float) -> int:
    """A share of a matrix's outputs, in whole panels."""
    return out if share == 1.0 else min(out, max(1, round(out * share / _PANEL)) * _PANEL)


def why_not_int8(sizes: Sizes) -> str:
    """What keeps weights of eight bits from being used here: the "processor", such a model's "matrices", or ""."""
    if not jit.dots_int8():
        return "processor"
    return "" if _packs([*sizes.linears, (sizes.vocabulary, sizes.hidden)], "int8") else "matrices"


def measure(
    sizes: Sizes, precisions: Sequence[str], progress: Progress | None = None, most_bytes: int | None = None
) -> tuple[dict[str, dict[int, float]], bool]:
    """Milliseconds of all products of a pass on this CPU, by precision and by rows (`ROWS` and `READ_ROWS`).

    Takes a second or two, three on a busy machine, and less than twice `most_bytes` for each precision.

    Args:
        precisions: of float32, bfloat16 and, where `why_not_int8` has nothing against it, int8.
        progress: called with (phase, 0..1); an exception it raises ends the measurement.
        most_bytes: of the weights in each precision; None for twice what the caches hold.

    Returns:
        The times, and whether the machine was quiet enough for them to say something.
    """
    most = most_bytes or max(_LEAST_BYTES, min(2 * _cache_bytes(), _MOST_BYTES))
    progress = progress or (lambda phase, share: None)
    runs: dict[tuple[str, int], Callable[[], None]] = {}
    scales: dict[tuple[str, int], float] = {}
    with torch.inference_mode():
        for number, precision in enumerate(precisions):
            progress("Measuring what is fastest here", 0.5 * number / len(precisions))
            weights, times = _weights(sizes, precision, most)
            for rows in (*ROWS, READ_ROWS):
                # Many rows are arithmetic, which a few matrices show as well as more.
                part = weights[: len(weights) // times] if rows == READ_ROWS else weights
                scales[precision, rows] = sizes.numbers / sum(w.shape[0] * w.shape[1] for w in part)
                runs[precision, rows] = run = _pass(part, precision, rows)
                run()  # compiles, and wakes the threads
        taken = _taken_in_turn(runs, progress)
    found: dict[str, dict[int, float]] = {precision: {} for precision in precisions}
    for (precision, rows), times_taken in taken.items():
        found[precision][rows] = scales[precision, rows] * times_taken[0]
    return found, _is_steady(taken)


def _taken_in_turn(runs: dict[tuple[str, int], Callable[[], None]], progress: Progress) -> dict:
    """Milliseconds of each one's runs, sorted. They take turns: memory that is shared changes its speed meanwhile."""
    taken: dict[tuple[str, int], list[float]] = {key: [] for key in runs}
    began = time.perf_counter()
    for turn in range(_TURNS):
        for key, run in runs.items():
            start = time.perf_counter()
            run()
            bisect.insort(taken[key], 1000 * (time.perf_counter() - start))
            seconds = time.perf_counter() - began
            progress("Measuring what is fastest here", min(1.0, 0.5 + 0.5 * seconds / _MOST_SECONDS))
            if turn and seconds > _MOST_SECONDS:
                return taken
        if turn + 1 >= _FEWEST and seconds > _SECONDS and _is_steady(taken):
            break
    return taken


def _is_steady(taken: dict[tuple[str, int], list[float]]) -> bool:
    return all(len(times) > 1 and times[1] <= _STEADY * times[0] for times in taken.values())


def _packs(shapes: Sequence[tuple[int, int]], kind: Kind) -> bool:
    """Whether matrices would be packed here, which is done with all of a model's or with none."""
    able = jit.dots_int8() if kind == "int8" else jit.available()
    return able and all(fits(torch.empty(1, dtype=torch.bfloat16).expand(shape), kind) for shape in shapes)


def _weights(sizes: Sizes, precision: str, most: int) -> tuple[list[Weight], int]:
    """Weights that take about so many bytes in a precision, as a loaded model would hold them, and how often each."""
    dtype = _DTYPES[precision]
    kind: Kind = "int8" if precision == "int8" else usual_kind(dtype)
    shapes, times = sizes.part(most // (1 if precision == "int8" else dtype.itemsize))
    whole = [*sizes.linears, (sizes.vocabulary, sizes.hidden)]
    first: list[Weight] = [torch.full(shape, 0.01, dtype=dtype) for shape in shapes]
    if not _packs(whole, kind):
        return [weight.clone() for _ in range(times) for weight in first], times  # type: ignore[union-attr]
    room = Room()
    packed = [Packed(weight, room, kind) for weight in first]  # type: ignore[arg-type]
    return [*packed, *(_again(weight, room) for _ in range(times - 1) for weight in packed)], times


def _again(weight: Packed, room: Room) -> Packed:
    """The same weight elsewhere in memory; to pack it anew would take far longer."""
    other = copy.copy(weight)
    other.blocks = room.take(tuple(weight.blocks.shape), weight.blocks.dtype).copy_(weight.blocks)
    return other


def _pass(weights: Sequence[Weight], precision: str, rows: int) -> Callable[[], None]:
    """What multiplies rows with each of the weights, as a pass of a model that holds them would."""
    packed = isinstance(weights[0], Packed)
    dtype = torch.float32 if packed else _DTYPES[precision]
    inputs = {into: torch.full((rows, into), 0.1, dtype=dtype) for into in {weight.shape[1] for weight in weights}}

    def run() -> None:
        for weight in weights:
            multiply(inputs[weight.shape[1]], weight)

    return run


def _cache_bytes() -> int:
    """The largest cache of this processor as Linux tells it; 0 where nothing is told."""
    found = [0]
    for file in _CACHES.glob("index*/size"):
        try:
            said = file.read_text(encoding="ascii").strip()
            found.append(int(said.rstrip("KM")) * {"K": 1 << 10, "M": 1 << 20}.get(said[-1:], 1))
        except (OSError, ValueError):
            continue
    return max(found)
