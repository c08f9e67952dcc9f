"""Attention of a few rows over the cache, written into a worker.

Threads share the pairs of a key head and a row evenly, the rows of a head side by side. A thread goes through a head's
keys, and then through its values, a block at a time, and each of its rows is at a block while that is close to the
processor. Keys are turned first, so that a vector holds one dimension of several slots and no sum runs across its
lanes; for a single row that costs about what it saves. Of a single row there are often too few pairs to share
evenly: behind a long text the threads then share the slots of each head, and next, as values are to be added up in the
order of the slots, the dimensions.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace

from s3d_core.kernels import jit, pairs
from s3d_core.kernels.block import BLOCK, Block, larger, smaller
from s3d_core.kernels.exponential import exponentials
from s3d_core.kernels.jit import LANES, Code
from s3d_core.kernels.turn import Turn
from s3d_core.kernels.worker import KV, Worker

# Numbers in a register, and sums that are held at once: of 32 registers with AVX-512, of 16 without.
_WIDE = jit.lanes_at_once() or 1
_MOST_SUMS = 24 if _WIDE == LANES else 12
# Rows that are at a block.
_ROWS = 9
_UNROLL = 2
# Slots behind which a single row is shared out: before, the threads would wait for each other longer.
_LONG = 512
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
    code, b, shape = worker.code, worker.code.b, worker.shape
    code.barrier()  # the other threads' keys and values
    if shape.kv == "pairs":
        with _shares(worker, 1) as (head, row, _):
            turn = _turn(worker, head, row, _own(worker, 0))
            pairs.score(worker, turn)
            _exponentials(worker, turn)
            _put(worker, turn, pairs.weigh(worker, turn))
    else:
        block, sums = Block(worker), _Sums(worker)
        is_alone = b.icmp_signed("==", worker.rows, code.whole(1))
        is_long = b.icmp_signed(">=", worker.size("start"), code.whole(_LONG))
        is_uneven = b.icmp_signed("!=", b.srem(code.whole(shape.kv_heads), worker.team), code.whole(0))
        # A thread has lines for so many heads.
        fits = code.ir.Constant(code.ir.IntType(1), shape.kv_heads <= _ROWS)
        with b.if_else(b.and_(b.and_(is_alone, fits), b.and_(is_long, is_uneven))) as (alone, together):
            with alone:
                _attend_alone(worker, block, sums)
            with together, _shares(worker, _ROWS) as (head, top, count):
                _attend_rows(worker, head, top, count, block, sums)
    code.barrier()


@contextmanager
def _shares(worker: Worker, together: int) -> Iterator[tuple]:
    """A loop over this thread's share of the pairs: a key head, the first of some rows, and how many they are."""
    code, b, heads, rows = worker.code, worker.code.b, worker.shape.kv_heads, worker.rows
    first, end = code.share(code.times(rows, heads), worker.thread, worker.team)
    with code.loop(0, heads) as head:
        before = code.times(head, rows)
        begin, stop = larger(code, b.sub(first, before), 0), smaller(code, b.sub(end, before), rows)
        with code.loop(begin, stop, together) as top:
            yield head, top, smaller(code, b.sub(stop, top), together)


def _own(worker: Worker, number):
    """The number of a thread's `number`-th group of lines."""
    return worker.code.add(worker.code.times(worker.thread, rows_at_once(worker.shape.kv)), number)


def _turn(worker: Worker, head, row, place) -> Turn:
    """A row's turn with a key head; `place` is the number of the lines that its scores are put in."""
    code, shape, b = worker.code, worker.shape, worker.code.b
    dim, group, paired = shape.head_dim, shape.heads // shape.kv_heads, shape.kv == "pairs"
    query, normed, scores = (worker.place(worker.size(name)) for name in ("query", "normed", "scores"))
    keys, values = (code.at(worker.place(worker.task[i]), code.times(head, worker.size("head_stride"))) for i in (2, 3))
    heads = [code.add(code.times(head, group), g) for g in range(group)]
    folded = [code.add(code.times(one, worker.rows), row) for one in heads]
    line = worker.size("score_stride")
    slots = code.add(worker.size("start"), worker.rows)
    return Turn(
        row,
        keys,
        values,
        queries=[code.at(query, code.times(place, dim * (2 if paired else 4))) for place in folded],
        lines=[code.at(scores, code.times(code.add(code.times(place, group), g), line)) for g in range(group)],
        goals=[
            code.at(normed, code.times(row, shape.attended * worker.unit), code.times(one, dim * worker.unit))
            for one in heads
        ],
        slots=slots,
        rounded=code.times(b.sdiv(code.add(slots, LANES - 1), code.whole(LANES)), LANES),
    )


def _attend_rows(worker: Worker, head, top, count, block: Block, sums: "_Sums") -> None:
    """Attention of some rows of a key head, from `top` on."""
    code = worker.code

    def turn(number) -> Turn:
        return _turn(worker, head, code.add(top, number), _own(worker, number))

    first = turn(0)
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
            ahead = _Ahead(worker, first.values, begin, number)
            _weigh(worker, turn(number), begin, values, number, sums, ahead)
    with code.loop(0, count) as number:
        _put(worker, turn(number), sums.of(number))


def _attend_alone(worker: Worker, block: Block, sums: "_Sums") -> None:
    """Attention of a single row by all threads together, to the last bit as `_attend_rows` has it."""
    code, b, heads = worker.code, worker.code.b, worker.shape.kv_heads
    nothing = code.whole(0)
    # From front to back the processor sees ahead by itself what comes; bfloat16 is read faster by asking for it.
    in_order = worker.kv_bytes == 4

    def turn(head) -> Turn:
        return _turn(worker, head, nothing, head)

    slots = turn(nothing).slots
    first, end = code.share(b.sdiv(code.add(slots, BLOCK - 1), code.whole(BLOCK)), worker.thread, worker.team)
    with code.loop(0, heads) as head, code.loop(code.times(first, BLOCK), code.times(end, BLOCK), BLOCK) as begin:
        mine = turn(head)
        block.take_keys(mine.keys, begin, slots, in_order)
        _score(worker, mine, begin, block, _Ahead(worker, mine.keys, begin, nothing))
    code.barrier()
    scores, stride = worker.place(worker.size("scores")), worker.size("score_stride")
    with code.loop(worker.thread, worker.shape.heads, worker.team) as number:
        _exponentials(worker, replace(turn(nothing), lines=[code.at(scores, code.times(number, stride))]))
    code.barrier()
    first, end = code.share(code.whole(heads * sums.parts), worker.thread, worker.team)
    with code.loop(0, heads) as head:
        before = code.times(head, sums.parts)
        begins, stops = larger(code, b.sub(first, before), 0), smaller(code, b.sub(end, before), sums.parts)
        mine = turn(head)
        # What others sum up of the head is theirs to read and to write.
        own = [_is_within(code, part, begins, stops) for part in range(sums.parts)]
        with b.if_then(b.icmp_signed("<", begins, stops)):
            sums.clear(nothing)
            with code.loop(0, slots, BLOCK) as begin:
                ahead = None if in_order else _Ahead(worker, mine.values, begin, 0)
                parts = [(is_own, sums.dims(part)) for part, is_own in enumerate(own)] if in_order else None
                values = block.take_values(mine.values, begin, slots, parts)
                _weigh(worker, mine, begin, values, nothing, sums, ahead, own)
            for part, is_own in enumerate(own):
                with b.if_then(is_own):
                    _put(worker, mine, sums.of(nothing), sums.vectors(part))


def _is_within(code: Code, number: int, begin, end):
    return code.b.and_(
        code.b.icmp_signed("<=", begin, code.whole(number)), code.b.icmp_signed("<", code.whole(number), end)
    )


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


def _put(worker: Worker, turn: Turn, found, vectors: range | None = None) -> None:
    """Write a row's sums, each over the sum of its weights; of all `vectors`, or some."""
    code = worker.code
    for goal, (sums, total) in zip(turn.goals, found, strict=True):
        lanes = getattr(total.type, "count", 1)
        inverse = code.b.fdiv(code.number(1.0, lanes), total)
        for i in vectors or range(len(sums)):
            worker.put(code.b.fmul(sums[i], inverse), code.at(goal, worker.unit * lanes * i))


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
    """The sums of the weighed values of some rows, and those of the weights, between two blocks.

    Attributes:
        parts: how many runs of a head's dimensions there are, of as many sums as there are registers for.
    """

    def __init__(self, worker: Worker):
        code, shape, self._code = worker.code, worker.shape, worker.code
        self._group, self._dim = shape.heads // shape.kv_heads, shape.head_dim
        self._lanes = math.gcd(self._dim, _WIDE)
        self._together = max(1, _MOST_SUMS // self._group)
        self.parts = -(-self._dim // (self._lanes * self._together))
        with code.b.goto_entry_block():
            held = code.b.alloca(code.ir.ArrayType(code.f32, _ROWS * self._group * (self._dim + 1)))
            self._held = code.b.bitcast(held, code.pointer)

    def place(self, number, g: int, d: int):
        """Where a row's sum for a dimension of its g-th query head is; behind the last is that of the weights."""
        width = self._dim + 1
        return self._code.at(self._held, self._code.times(number, 4 * self._group * width), 4 * (g * width + d))

    def vectors(self, part: int) -> range:
        """The numbers of the vectors of a part."""
        return range(part * self._together, min((part + 1) * self._together, self._dim // self._lanes))

    def dims(self, part: int) -> range:
        """The first dimension of each vector of a part."""
        numbers = self.vectors(part)
        return range(self._lanes * numbers.start, self._lanes * numbers.stop, self._lanes)

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


def _weigh(
    worker: Worker, turn: Turn, begin, values, number, held: _Sums, ahead: _Ahead | None, own: list | None = None
) -> None:
    """Add a block's values by each line's weights, and the weights themselves; of all parts of the dimensions, or of
    its own.

    Slot by slot: a tree's hidden slots in between then change nothing, so that a row's result is the same in every
    tree, to the last bit. First some of the dimensions are summed up, then the next, so that there are no more sums at
    once than registers.
    """
    code, dim, group = worker.code, worker.shape.head_dim, len(turn.lines)
    lanes = math.gcd(dim, _WIDE)
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
    for part in range(held.parts):
        some = held.dims(part)

        def weighed(slot, sums, some=some, part=part):
            if ahead is not None:
                ahead.ask(code.add(slot, BLOCK * part), BLOCK * held.parts)
            shares = [code.spread(weight, lanes) for weight in weights(slot)]
            sums = list(sums)
            for i, d in enumerate(some):
                value = code.load(code.at(values, code.times(slot, dim * 4), 4 * d), code.floats(lanes))
                for g, share in enumerate(shares):
                    at = i * group + g
                    sums[at] = code.call_float("fma", share, value, sums[at])
            return sums

        with code.b.if_then(own[part]) if own else nullcontext():
            run([held.place(number, g, d) for d in some for g in range(group)], code.floats(lanes), weighed)
