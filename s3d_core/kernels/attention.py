"""Attention of a few rows over the cache, written into a worker: threads take turns at (row, key head)."""

import math

from s3d_core.kernels import pairs
from s3d_core.kernels.exponential import exponentials
from s3d_core.kernels.jit import LANES
from s3d_core.kernels.turn import Turn
from s3d_core.kernels.worker import Worker


def attend(worker: Worker) -> None:
    """Attention of each row, into `normed`."""
    code, shape, b = worker.code, worker.shape, worker.code.b
    dim, group, paired = shape.head_dim, shape.heads // shape.kv_heads, shape.paired
    lanes = math.gcd(dim, LANES)
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
    """Each slot's float32 key times each query, as many slots at a time as a vector has lanes.

    What is read behind the last slot is never used.
    """
    code, b, dim = worker.code, worker.code.b, worker.shape.head_dim
    lanes = math.gcd(dim, LANES)
    vector, parts = code.floats(lanes), range(0, dim, lanes)
    scale = code.number(dim**-0.5, lanes)
    queries = [[b.fmul(code.load(code.at(place, 4 * d), vector), scale) for d in parts] for place in turn.queries]
    with code.loop(0, turn.slots, lanes) as slot:
        for query, line in zip(queries, turn.lines, strict=True):

            def product(i, query=query, slot=slot):
                """Slot i's key times the query, still to be summed over the lanes."""
                place = code.at(turn.keys, code.times(code.add(slot, i), dim * 4))
                key = [code.load(code.at(place, 4 * d), vector) for d in parts]
                total = b.fmul(query[0], key[0])
                for one, other in zip(query[1:], key[1:], strict=True):
                    total = code.call_float("fma", one, other, total)
                return total

            code.store(code.sums_of(product, lanes), code.at(line, code.times(slot, 4)))


def _weigh(worker: Worker, turn: Turn) -> list:
    """The float32 values' sums by each line's weights, in vectors, and the weights' own sum in every lane.

    Slot by slot: a tree's hidden slots in between then change nothing, so that a row's result is the same in every
    tree, to the last bit.
    """
    code, b, dim = worker.code, worker.code.b, worker.shape.head_dim
    lanes = math.gcd(dim, LANES)
    vector, parts = code.floats(lanes), range(0, dim, lanes)
    group, count = len(turn.lines), len(parts)

    def body(slot, sums):
        value = [code.load(code.at(turn.values, code.times(slot, dim * 4), 4 * d), vector) for d in parts]
        following, totals = [], []
        for g, line in enumerate(turn.lines):
            share = code.load(code.at(line, code.times(slot, 4)), code.f32)
            totals.append(b.fadd(sums[group * count + g], share))
            share = code.spread(share, lanes)
            following += [code.call_float("fma", share, part, sums[g * count + i]) for i, part in enumerate(value)]
        return following + totals

    zeros = [code.number(0.0, lanes)] * (group * count) + [code.number(0.0)] * group
    sums = code.fold(0, turn.slots, 1, zeros, body)
    totals = [code.spread(total, lanes) for total in sums[group * count :]]
    return [(sums[g * count : (g + 1) * count], totals[g]) for g in range(group)]
