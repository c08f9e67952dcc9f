"""Some slots of a key head as float32, close to the processor: their keys turned, their values as they are."""

import math
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

from s3d_core.kernels import jit
from s3d_core.kernels.jit import Code
from s3d_core.kernels.worker import Worker

# Slots that are taken at a time.
BLOCK = 64
_LINE = 64
# Runs of a head's dimensions, each by the first of every vector, and whether it is wanted: always where None stands.
Parts = Sequence[tuple[Any, range]]


class Block:
    """Room of a thread for the keys or the values of `BLOCK` slots.

    Attributes:
        held: where they are: keys `[head_dim, BLOCK]`, values `[BLOCK, head_dim]`.
    """

    def __init__(self, worker: Worker):
        self._worker = worker
        self.held = self._room()
        # Keys of float32 on their way to be turned.
        self._read = self._room() if worker.kv_bytes == 4 else None
        # Dimensions of a head that are read at once: what a register holds, where that divides them.
        self._lanes = math.gcd(worker.shape.head_dim, jit.lanes_at_once())

    def _room(self):
        code = self._worker.code
        with code.b.goto_entry_block():
            held = code.b.alloca(code.ir.ArrayType(code.f32, BLOCK * self._worker.shape.head_dim))
            held.align = _LINE
            return code.b.bitcast(held, code.pointer)

    def take_keys(self, keys, begin, slots, in_order: bool = False) -> None:
        """Turn the keys of a block; what is read behind the last slot is never used.

        Args:
            in_order: read float32 from front to back before they are turned: the processor then sees ahead what comes,
                which it does not where several slots are read side by side. It pays where one row waits for them.
        """
        code, dim, size, lanes = self._worker.code, self._worker.shape.head_dim, self._worker.kv_bytes, self._lanes
        source, count = self._begin(keys, begin, slots)
        if in_order:
            assert self._read is not None
            source = self._take(source, count, [(None, range(0, dim, lanes))], self._read)
        with code.loop(0, count, lanes) as slot:
            goal = code.at(self.held, code.times(slot, 4))
            for d in range(0, dim, lanes):
                rows = [
                    self._worker.kv_load(code.at(source, code.times(code.add(slot, i), dim * size), size * d), lanes)
                    for i in range(lanes)
                ]
                for i, column in enumerate(turned(code, rows)):
                    code.store(column, code.at(goal, (d + i) * BLOCK * 4))

    def take_values(self, values, begin, slots, parts: Parts | None = None):
        """Widen the values of a block where they are narrow; where the block's values are.

        Args:
            parts: take these alone, wide ones too: in one go, where weighing goes through the block for each part.
        """
        source, count = self._begin(values, begin, slots)
        if parts is None and self._worker.kv_bytes == 4:
            return source
        return self._take(source, count, parts or [(None, range(0, self._worker.shape.head_dim, self._lanes))])

    def _begin(self, numbers, begin, slots) -> tuple:
        """Where a block begins, and how many slots it has."""
        code = self._worker.code
        count = code.b.sub(smaller(code, code.add(begin, BLOCK), slots), begin)
        return code.at(numbers, code.times(begin, self._worker.shape.head_dim * self._worker.kv_bytes)), count

    def _take(self, source, count, parts: Parts, goal=None):
        """Put some dimensions of so many slots where they are close, as float32; where that is."""
        code, dim, size = self._worker.code, self._worker.shape.head_dim, self._worker.kv_bytes
        goal = self.held if goal is None else goal
        with code.loop(0, count) as slot:
            for wanted, dims in parts:
                with nullcontext() if wanted is None else code.b.if_then(wanted):
                    for d in dims:
                        value = self._worker.kv_load(code.at(source, code.times(slot, dim * size), size * d), dims.step)
                        code.store(value, code.at(goal, code.times(slot, dim * 4), 4 * d))
        return goal


def smaller(code, one, other):
    """The smaller of two sizes."""
    one, other = code.whole(one), code.whole(other)
    return code.b.select(code.b.icmp_signed("<", one, other), one, other)


def larger(code, one, other):
    """The larger of two sizes."""
    one, other = code.whole(one), code.whole(other)
    return code.b.select(code.b.icmp_signed(">", one, other), one, other)


def turned(code: Code, rows: list) -> list:
    """The columns of as many vectors as they have lanes: squares off the diagonal change places, larger ones last."""
    rows, lanes, step = list(rows), len(rows), 1
    while step < lanes:
        lower = [i + lanes - step if i & step else i for i in range(lanes)]
        upper = [i + lanes if i & step else i + step for i in range(lanes)]
        for i in range(lanes):
            if not i & step:
                one, other = rows[i], rows[i + step]
                rows[i], rows[i + step] = (
                    code.b.shuffle_vector(one, other, code.ir.Constant(code.integers(lanes), chosen))
                    for chosen in (lower, upper)
                )
        step *= 2
    return rows
