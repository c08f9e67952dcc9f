"""Attention of a few rows over the cache, written into a worker.

Threads share the pairs of a key head and a row evenly, the rows of a head side by side. A thread goes through a head's
keys, and then through its values, a block at a time, and each of its rows is at a block while that is close to the
processor. Keys are turned first, so that a vector holds one dimension of several slots and no sum runs across its
lanes; for a single row that costs about what it saves.
"""

import math

from s3d_core.kernels import jit, pairs
from s3d_core.kernels.block import BLOCK, Block, larger, smaller
from s3d_core.kernels.exponential import exponentials
from s3d_core.kernels.jit import LANES
from s3d_core.kernels.turn import Turn
from s3d_core.kernels.worker import KV, Worker

# Numbers in a register, and sums that are held at once: of 32 registers with AVX-512, of 16 without.
_WIDE = jit.lanes_at_once() or 1
_MOST_SUMS = 24 if _WIDE == LANES else 12
# Rows that are at a block.
_ROWS = 9
_UNROLL = 2
_LINE = 64


def rows_at_once(kv: KV) -> int:
    """Rows of which a thread holds the scores at a time."""
    return 1 if kv == "pairs" else _ROWS


def line_slots(slots: int) -> int:
    """Numbers of a line of scores: whole blocks, and a line of the cache more: at a power of two from each other, lines
    would push each other out of it."""
    return -(-slots // BLOCK) * BLOCK + _LINE // 4


def attend(worker: Worker) -> None:
    """Attention of each row, into `normed`."""
    code, b, heads, rows = worker.code, worker.code.b, worker.shape.kv_heads, worker.rows
    paired, together = worker.shape.kv == "pairs", rows_at_once(worker.shape.kv)
    code.barrier()  # the other threads' keys and values
    first, end = code.share(code.times(rows, heads), worker.thread, worker.team)
    with code.loop(0, heads) as head:
        before = code.times(head, rows)
        begin, stop = larger(code, b.sub(first, before), 0), smaller(code, b.sub(end, before), rows)
        with code.loop(begin, stop, together) as top:
            if paired:
                turn = _turn(worker, head, top, 0)
                pairs.score(worker, turn)
                _exponentials(worker, turn)
                _put(worker, turn, pairs.weigh(worker, turn))
            else:
                count = smaller(code, b.sub(stop, top), together)
                _attend_rows(worker, head, top, count)
    code.barrier()


def _turn(worker: Worker, head, row, number) -> Turn:
    """A row's turn with a key head; its scores are the thread's `number`-th."""
    code, shape, b = worker.code, worker.shape, worker.code.b
    dim, group, paired = shape.head_dim, shape.heads // shape.kv_heads, shape.kv == "pairs"
    query, normed, scores = (worker.place(worker.size(name)) for name in ("query", "normed", "scores"))
    keys, values = (code.at(worker.place(worker.task[i]), code.times(head, worker.size("head_stride"))) for i in (2, 3))
    heads = [code.add(code.times(head, group), g) for g in range(group)]
    folded = [code.add(code.times(one, worker.rows), row) for one in heads]
    number = code.add(code.times(worker.thread, rows_at_once(shape.kv)), number)
    line = worker.size("score_stride")
    slots = code.add(worker.size("start"), worker.rows)
    return Turn(
        row,
        keys,
        values,
        queries=[code.at(query, code.times(place, dim * (2 if paired else 4))) for place in folded],
        lines=[code.at(scores, code.times(code.add(code.times(number, group), g), line)) for g in range(group)],
        goals=[
            code.at(normed, code.times(row, shape.attended * worker.unit), code.times(one, dim * worker.unit))
            for one in heads
        ],
        slots=slots,
        rounded=code.times(b.sdiv(code.add(slots, LANES - 1), code.whole(LANES)), LANES),
    )


def _attend_rows(worker: Worker, head, top, count) -> None:
    """Attention of some rows of a key head, from `top` on."""
    code = worker.code

    def turn(number) -> Turn:
        return _turn(worker, head, code.add(top, number), number)

    first, block, sums = turn(0), Block(worker), _Sums(worker)
    with code.loop(0, first.slots, BLOCK) as begin:
        block.take_keys(first.keys, begin, first.slots)
        with code.loop(0, count) as number:
            _score(worker, turn(number), begin, block, _Ahead(worker, first.keys, begin, number))
    with code.loop(0, count) as number:
        _exponentials(worker, turn(number))
        sums.clear(number)
    with code.loop(0, first.slots, BLOCK) as begin:
        values = block.take_values(first.values, begin, first.slots)
        with code.loop(0, count) as number:
            _weigh(worker, turn(number), begin, values, number, sums, _Ahead(worker, first.values, begin, number))
    with code.loop(0, count) as number:
        _put(worker, turn(number), sums.of(number))


def _exponentials(worker: Worker, turn: Turn) -> None:
    """Make the scores of a row what its values are weighed by; those of slots that its mask hides become 0."""
    code = worker.code
    masks, masked = worker.place(worker.task[4]), worker.task[5]
    open_slots = code.b.sub(turn.slots, masked)
    mask = code.at(masks, code.times(code.times(turn.row, masked), 4))
    with code.loop(0, masked) as slot:
        added = code.load(code.at(mask, code.times(slot, 4)), code.f32)
        for scored in turn.lines:
            place = code.at(scored, code.times(code.add(open_slots, slot), 4))
            code.store(code.b.fadd(code.load(place, code.f32), added), place)
    for scored in turn.lines:
        exponentials(code, scored, turn.slots, turn.rounded, worker.shape.kv == "pairs")


def _put(worker: Worker, turn: Turn, found) -> None:
    """Write a row's sums, each over the sum of its weights."""
    code = worker.code
    for goal, (sums, total) in zip(turn.goals, found, strict=True):
        lanes = getattr(total.type, "count", 1)
        inverse = code.b.fdiv(code.number(1.0, lanes), total)
        for i, part in enumerate(sums):
            worker.put(code.b.fmul(part, inverse), code.at(goal, worker.unit * lanes * i))


class _Ahead:
    """Asks for the block behind the one that begins at a slot, each row for lines of its own; there may be none."""

    def __init__(self, worker: Worker, source, begin, number):
        self._code, self._size = worker.code, worker.shape.head_dim * worker.kv_bytes
        behind = self._code.add(begin, BLOCK)
        self._next = self._code.at(source, self._code.times(behind, self._size))
        self._number = number

    def ask(self, turn, turns: int) -> None:
        """Ask for the line of one of a row's turns."""
        at = self._code.add(self._code.times(self._number, turns), turn)
        self._code.prefetch(self._code.at(self._next, self._code.times(at, _LINE)), level=2)


def _score(worker: Worker, turn: Turn, begin, block: Block, ahead: _Ahead) -> None:
    """Each key of a block times each query of a row, as many slots at a time as there are registers for."""
    code, dim, group, vector = worker.code, worker.shape.head_dim, len(turn.queries), worker.code.floats(_WIDE)
    scale, unroll = code.number(dim**-0.5, _WIDE), math.gcd(dim, _UNROLL)
    together = _half_until(BLOCK // _WIDE, _MOST_SUMS // group)
    with code.loop(begin, smaller(code, code.add(begin, BLOCK), turn.slots), together * _WIDE) as slot:
        offset = code.b.sub(slot, begin)
        before = code.times(code.b.sdiv(offset, code.whole(together * _WIDE)), dim)

        def body(d, sums, offset=offset, before=before):
            sums = list(sums)
            for u in range(unroll):
                ahead.ask(code.add(before, d, u), BLOCK // (together * _WIDE) * dim)
                row = code.at(block.held, code.times(code.add(d, u), BLOCK * 4), code.times(offset, 4))
                asked = [
                    code.spread(code.load(code.at(query, code.times(d, 4), 4 * u), code.f32), _WIDE)
                    for query in turn.queries
                ]
                for i in range(together):
                    key = code.load(code.at(row, 4 * _WIDE * i), vector)
                    for g, factor in enumerate(asked):
                        at = g * together + i
                        sums[at] = code.call_float("fma", key, factor, sums[at])
            return sums

        found = code.fold(0, dim, unroll, [code.number(0.0, _WIDE)] * (group * together), body)
        for g, line in enumerate(turn.lines):
            for i in range(together):
                place = code.at(line, code.times(slot, 4), 4 * _WIDE * i)
                code.store(code.b.fmul(found[g * together + i], scale), place)


def _half_until(count: int, most: int) -> int:
    """A power of two, halved until it is not above `most`, or 1."""
    while count > max(1, most):
        count //= 2
    return count


class _Sums:
    """The sums of the weighed values of some rows, and those of the weights, between two blocks."""

    def __init__(self, worker: Worker):
        code, shape, self._code = worker.code, worker.shape, worker.code
        self._group, self._dim = shape.heads // shape.kv_heads, shape.head_dim
        self._lanes = math.gcd(self._dim, _WIDE)
        with code.b.goto_entry_block():
            held = code.b.alloca(code.ir.ArrayType(code.f32, _ROWS * self._group * (self._dim + 1)))
            self._held = code.b.bitcast(held, code.pointer)

    def place(self, number, g: int, d: int):
        """Where a row's sum for a dimension of its g-th query head is; behind the last is that of the weights."""
        width = self._dim + 1
        return self._code.at(self._held, self._code.times(number, 4 * self._group * width), 4 * (g * width + d))

    def clear(self, number) -> None:
        """Begin a row."""
        for g in range(self._group):
            for d in range(0, self._dim, self._lanes):
                self._code.store(self._code.number(0.0, self._lanes), self.place(number, g, d))
            self._code.store(self._code.number(0.0), self.place(number, g, self._dim))

    def of(self, number) -> list:
        """Of each query head of a row the sums in vectors, and the weights' in every lane."""
        code = self._code
        return [
            (
                [
                    code.load(self.place(number, g, d), code.floats(self._lanes))
                    for d in range(0, self._dim, self._lanes)
                ],
                code.spread(code.load(self.place(number, g, self._dim), code.f32), self._lanes),
            )
            for g in range(self._group)
        ]


def _weigh(worker: Worker, turn: Turn, begin, values, number, held: _Sums, ahead: _Ahead) -> None:
    """Add a block's values by each line's weights, and the weights themselves.

    Slot by slot: a tree's hidden slots in between then change nothing, so that a row's result is the same in every
    tree, to the last bit. First some of the dimensions are summed up, then the next, so that there are no more sums at
    once than registers.
    """
    code, dim, group = worker.code, worker.shape.head_dim, len(turn.lines)
    lanes = math.gcd(dim, _WIDE)
    parts, step = range(0, dim, lanes), max(1, _MOST_SUMS // group)
    count = code.b.sub(smaller(code, code.add(begin, BLOCK), turn.slots), begin)
    lines = [code.at(line, code.times(begin, 4)) for line in turn.lines]

    def run(places: list, kind, body) -> None:
        """Carry sums on over the block, from where they are kept and back."""
        found = code.fold(0, count, 1, [code.load(place, kind) for place in places], body)
        for place, value in zip(places, found, strict=True):
            code.store(value, place)

    def weights(slot):
        return [code.load(code.at(line, code.times(slot, 4)), code.f32) for line in lines]

    def add_up(slot, totals):
        return [code.b.fadd(*pair) for pair in zip(totals, weights(slot), strict=True)]

    run([held.place(number, g, dim) for g in range(group)], code.f32, add_up)
    for first in range(0, len(parts), step):
        some = parts[first : first + step]

        def weighed(slot, sums, some=some, first=first):
            ahead.ask(code.add(slot, BLOCK * (first // step)), BLOCK * -(-len(parts) // step))
            shares = [code.spread(weight, lanes) for weight in weights(slot)]
            sums = list(sums)
            for i, d in enumerate(some):
                value = code.load(code.at(values, code.times(slot, dim * 4), 4 * d), code.floats(lanes))
                for g, share in enumerate(shares):
                    at = i * group + g
                    sums[at] = code.call_float("fma", share, value, sums[at])
            return sums

        run([held.place(number, g, d) for d in some for g in range(group)], code.floats(lanes), weighed)
