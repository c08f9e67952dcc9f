"""Some slots of a key head as float32, close to the processor: their keys turned, their values as they are."""

import math

from s3d_core.kernels import jit
from s3d_core.kernels.jit import Code
from s3d_core.kernels.worker import Worker

# Slots that are taken at a time.
BLOCK = 64
_LINE = 64


class Block:
    """Room of a thread for the keys or the values of `BLOCK` slots.

    Attributes:
        held: where they are: keys `[head_dim, BLOCK]`, values `[BLOCK, head_dim]`.
    """

    def __init__(self, worker: Worker):
        code, dim, self._worker = worker.code, worker.shape.head_dim, worker
        with code.b.goto_entry_block():
            held = code.b.alloca(code.ir.ArrayType(code.f32, BLOCK * dim))
            held.align = _LINE
            self.held = code.b.bitcast(held, code.pointer)
        # Dimensions of a head that are read at once: what a register holds, where that divides them.
        self._lanes = math.gcd(dim, jit.lanes_at_once())

    def take_keys(self, keys, begin, slots) -> None:
        """Turn the keys of a block; what is read behind the last slot is never used."""
        code, dim, size, lanes = self._worker.code, self._worker.shape.head_dim, self._worker.kv_bytes, self._lanes
        with code.loop(begin, smaller(code, code.add(begin, BLOCK), slots), lanes) as slot:
            goal = code.at(self.held, code.times(code.b.sub(slot, begin), 4))
            for d in range(0, dim, lanes):
                rows = [
                    self._worker.kv_load(code.at(keys, code.times(code.add(slot, i), dim * size), size * d), lanes)
                    for i in range(lanes)
                ]
                for i, column in enumerate(turned(code, rows)):
                    code.store(column, code.at(goal, (d + i) * BLOCK * 4))

    def take_values(self, values, begin, slots):
        """Widen the values of a block where they are narrow; where the block's values are."""
        code, dim, size, lanes = self._worker.code, self._worker.shape.head_dim, self._worker.kv_bytes, self._lanes
        source = code.at(values, code.times(begin, dim * size))
        if size == 4:
            return source
        count = code.b.sub(smaller(code, code.add(begin, BLOCK), slots), begin)
        with code.loop(0, count) as slot:
            for d in range(0, dim, lanes):
                value = self._worker.kv_load(code.at(source, code.times(slot, dim * size), size * d), lanes)
                code.store(value, code.at(self.held, code.times(slot, dim * 4), 4 * d))
        return self.held


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
