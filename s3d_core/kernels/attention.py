"""Attention of a few rows over the cache, written into a worker: threads take turns at (row, key head)."""

import math

from s3d_core.kernels import jit, pairs
from s3d_core.kernels.exponential import exponentials
from s3d_core.kernels.jit import LANES
from s3d_core.kernels.turn import Turn
from s3d_core.kernels.worker import Worker

# Sums of weighed values that are held at once: of 32 registers with AVX-512, of 16 without.
_MOST_SUMS_WIDE, _MOST_SUMS = 24, 9
# Slots whose values stay near while they are weighed; and bytes of keys by which reading is ahead.
_BLOCK, _AHEAD = 64, 4096


def attend(worker: Worker) -> None:
    """Attention of each row, into `normed`."""
    code, shape, b = worker.code, worker.shape, worker.code.b
    dim, group, paired = shape.head_dim, shape.heads // shape.kv_heads, shape.kv == "pairs"
    lanes = LANES if paired else _lanes(worker)
    score, weigh = (pairs.score, pairs.weigh) if paired else (_score, _weigh)
    code.barrier()  # the other threads' keys and values
    query, normed, scores = (worker.place(worker.size(name)) for name in ("query", "normed", "scores"))
    head_stride, line = worker.size("head_stride"), worker.size("score_stride")
    scores = code.at(scores, code.times(worker.thread, code.times(line, group)))
    lines = [code.at(scores, code.times(line, g)) for g in range(group)]
    slots = code.add(worker.size("start"), worker.rows)
    rounded = code.times(b.sdiv(code.add(slots, LANES - 1), code.whole(LANES)), LANES)
    masks, masked = worker.place(worker.task[4]), worker.task[5]
    open_slots = code.add(slots, code.times(masked, -1))

    with code.loop(worker.thread, code.times(worker.rows, shape.kv_heads), worker.team) as number:
        row, head = b.srem(number, worker.rows), b.sdiv(number, worker.rows)
        heads = [code.add(code.times(head, group), g) for g in range(group)]
        keys, values = (code.at(worker.place(worker.task[i]), code.times(head, head_stride)) for i in (2, 3))
        folded = [code.add(code.times(one, worker.rows), row) for one in heads]
        queries = [code.at(query, code.times(place, dim * (2 if paired else 4))) for place in folded]
        turn = Turn(keys, values, queries, lines, slots, rounded)
        score(worker, turn)
        mask = code.at(masks, code.times(code.times(row, masked), 4))
        with code.loop(0, masked) as slot:
            added = code.load(code.at(mask, code.times(slot, 4)), code.f32)
            for scored in lines:
                place = code.at(scored, code.times(code.add(open_slots, slot), 4))
                code.store(b.fadd(code.load(place, code.f32), added), place)
        for scored in lines:
            exponentials(code, scored, slots, rounded, paired)
        for one, (sums, total) in zip(heads, weigh(worker, turn), strict=True):
            goal = code.times(row, shape.attended * worker.unit)
            goal = code.at(normed, goal, code.times(one, dim * worker.unit))
            inverse = b.fdiv(code.number(1.0, lanes), total)
            for i, part in enumerate(sums):
                worker.put(b.fmul(part, inverse), code.at(goal, worker.unit * lanes * i))
    code.barrier()


def _score(worker: Worker, turn: Turn) -> None:
    """Each slot's key times each query, as many slots at a time as a vector has lanes.

    A part of a key is read and widened once for all queries. What is read behind the last slot is never used.
    """
    code, b, dim, lanes, size = worker.code, worker.code.b, worker.shape.head_dim, _lanes(worker), worker.kv_bytes
    parts = range(0, dim, lanes)
    scale = code.number(dim**-0.5, lanes)
    queries = [[b.fmul(code.load(code.at(q, 4 * d), code.floats(lanes)), scale) for d in parts] for q in turn.queries]
    with code.loop(0, turn.slots, lanes) as slot:
        _fetch(worker, code.at(turn.keys, code.times(slot, dim * size), _AHEAD), lanes * dim * size)

        def products(i, slot=slot):
            """Slot i's key times each query, still to be summed over the lanes."""
            place = code.at(turn.keys, code.times(code.add(slot, i), dim * size))
            totals: list = []
            for number, d in enumerate(parts):
                key = worker.kv_load(code.at(place, size * d), lanes)
                if number == 0:
                    totals = [b.fmul(query[0], key) for query in queries]
                else:
                    totals = [
                        code.call_float("fma", query[number], key, total)
                        for query, total in zip(queries, totals, strict=True)
                    ]
            return totals

        for line, scored in zip(turn.lines, code.sums_of(products, lanes), strict=True):
            code.store(scored, code.at(line, code.times(slot, 4)))


def _weigh(worker: Worker, turn: Turn) -> list:
    """The values' sums by each line's weights, in vectors, and the weights' own sum in every lane.

    Slot by slot: a tree's hidden slots in between then change nothing, so that a row's result is the same in every
    tree, to the last bit. Of a block of slots first some of the dimensions are summed up, then the next, so that there
    are no more sums at once than registers, and values are read from memory once.
    """
    code, b, dim, lanes, size = worker.code, worker.code.b, worker.shape.head_dim, _lanes(worker), worker.kv_bytes
    parts, group = range(0, dim, lanes), len(turn.lines)
    vector = code.floats(lanes)
    step = max(1, (_MOST_SUMS_WIDE if jit.lanes_at_once() == LANES else _MOST_SUMS) // group)
    with b.goto_entry_block():
        held = b.bitcast(b.alloca(code.ir.ArrayType(code.f32, group * (dim + 1))), code.pointer)

    def sum_place(g: int, d: int):
        return code.at(held, 4 * (g * dim + d))

    def total_place(g: int):
        return code.at(held, 4 * (group * dim + g))

    for g in range(group):
        for d in parts:
            code.store(code.number(0.0, lanes), sum_place(g, d))
        code.store(code.number(0.0), total_place(g))

    def run(begin, end, places: list, body) -> None:
        """Carry sums on over slots, from where they are kept and back."""
        found = code.fold(begin, end, 1, [code.load(place, kind) for place, kind in places], body)
        for (place, _), value in zip(places, found, strict=True):
            code.store(value, place)

    with code.loop(0, turn.slots, _BLOCK) as begin:
        end = code.add(begin, _BLOCK)
        end = b.select(b.icmp_signed("<", end, turn.slots), end, turn.slots)

        def add_up(slot, totals):
            return [
                b.fadd(total, code.load(code.at(line, code.times(slot, 4)), code.f32))
                for total, line in zip(totals, turn.lines, strict=True)
            ]

        run(begin, end, [(total_place(g), code.f32) for g in range(group)], add_up)
        for first in range(0, len(parts), step):
            some, is_first = parts[first : first + step], first == 0

            def weighed(slot, sums, some=some, is_first=is_first):
                place = code.at(turn.values, code.times(slot, dim * size))
                if is_first:
                    _fetch(worker, code.at(place, _BLOCK * dim * size), dim * size)
                shares = [code.load(code.at(line, code.times(slot, 4)), code.f32) for line in turn.lines]
                shares = [code.spread(share, lanes) for share in shares]
                following = list(sums)
                for i, d in enumerate(some):
                    value = worker.kv_load(code.at(place, size * d), lanes)
                    for g, share in enumerate(shares):
                        at = i * group + g
                        following[at] = code.call_float("fma", share, value, sums[at])
                return following

            run(begin, end, [(sum_place(g, d), vector) for d in some for g in range(group)], weighed)
    return [
        (
            [code.load(sum_place(g, d), vector) for d in parts],
            code.spread(code.load(total_place(g), code.f32), lanes),
        )
        for g in range(group)
    ]


def _fetch(worker: Worker, place, count: int) -> None:
    """Ask for so many bytes that will be needed soon; there may be nothing."""
    for line in range(0, count, 64):
        worker.code.prefetch(worker.code.at(place, line))


def _lanes(worker: Worker) -> int:
    """Dimensions of a head that are multiplied at once: what a register holds, where that divides them."""
    return math.gcd(worker.shape.head_dim, jit.lanes_at_once())
