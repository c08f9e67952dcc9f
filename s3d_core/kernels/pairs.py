"""Attention over keys and values held as pairs of bfloat16, two products to a lane (AVX512-BF16).

Half the memory of float32, and half the instructions. Keys lie in tiles of 16 slots, a pair being two successive
dimensions of one slot: a vector holds 16 slots, so that no sum runs across lanes. Of values a pair is one dimension of
two successive slots, the later one first, since the processor adds a pair's second product before its first: a row's
sum then runs slot by slot, and the slots hidden from it in a tree, whose weights are 0, change no bit of it.
"""

from s3d_core.kernels.exponential import exponentials
from s3d_core.kernels.jit import LANES, Code
from s3d_core.kernels.worker import Worker

# Sums that a score is made of, so that one need not wait for the other.
_PARTIAL = 4


def key_place(code: Code, keys, slot, dim: int):
    """Where a slot's first two dimensions are, of a head's keys at `keys`; the next two are a vector behind."""
    tile = code.times(code.b.sdiv(slot, code.whole(LANES)), LANES * dim * 2)
    return code.at(keys, tile, code.times(code.b.srem(slot, code.whole(LANES)), 4))


def value_place(code: Code, values, slot, dim: int):
    """Where a slot's first dimension is, of a head's values at `values`; the next one is four bytes behind."""
    earlier = code.b.sub(code.whole(1), code.b.srem(slot, code.whole(2)))
    return code.at(values, code.times(code.b.sdiv(slot, code.whole(2)), dim * 4), code.times(earlier, 2))


def put_key(code: Code, value, place, d: int) -> None:
    """Write float32 dimensions from `d` on of the key at a `key_place`."""
    count = getattr(value.type, "count", 1)
    short = code.narrow(value)
    if count % 2 == 0 and d % 2 == 0:
        words = code.b.bitcast(short, code.integers(count // 2))
        for i in range(count // 2):
            code.store(code.element(words, i), code.at(place, (d // 2 + i) * LANES * 4))
        return
    for i in range(count):
        half = (d + i) // 2 * LANES * 4 + (d + i) % 2 * 2
        code.store(code.element(short, i), code.at(place, half), 2)


def put_value(code: Code, value, place, d: int) -> None:
    """Write float32 dimensions from `d` on of the value at a `value_place`."""
    short = code.narrow(value)
    for i in range(getattr(value.type, "count", 1)):
        code.store(code.element(short, i), code.at(place, (d + i) * 4), 2)


def attend(worker: Worker) -> None:
    """Attention of each row over the cache, into `normed`: each thread takes turns at (row, key head)."""
    code, shape, b = worker.code, worker.shape, worker.code.b
    dim, group = shape.head_dim, shape.heads // shape.kv_heads
    words = code.integers(LANES)
    parts = range(0, dim, LANES)
    code.barrier()  # the other threads' keys and values
    query, normed, scores = (worker.place(worker.size(name)) for name in ("query", "normed", "scores"))
    head_stride, line = worker.size("head_stride"), worker.size("score_stride")
    scores = code.at(scores, code.times(worker.thread, code.times(line, group)))
    slots = code.add(worker.size("start"), worker.rows)
    rounded = code.times(b.sdiv(code.add(slots, LANES - 1), code.whole(LANES)), LANES)
    masks, masked = worker.place(worker.task[4]), worker.size("masked")
    open_slots = code.add(slots, code.times(masked, -1))
    scale = code.number(dim**-0.5, LANES)
    ones = code.ir.Constant(words, [0x3F803F80] * LANES)

    with code.loop(worker.thread, code.times(worker.rows, shape.kv_heads), worker.team) as turn:
        row, head = b.srem(turn, worker.rows), b.sdiv(turn, worker.rows)
        keys, values = (code.at(worker.place(worker.task[i]), code.times(head, head_stride)) for i in (2, 3))
        mask = code.at(masks, code.times(code.times(row, masked), 4))
        lines = [code.at(scores, code.times(line, g)) for g in range(group)]
        queries = []
        for g in range(group):
            folded = code.add(code.times(code.add(code.times(head, group), g), worker.rows), row)
            queries.append(code.at(query, code.times(folded, dim * 2)))

        with code.loop(0, rounded, LANES) as slot:
            tile = code.at(keys, code.times(slot, dim * 2))
            sums = [[code.number(0.0, LANES)] * _PARTIAL for _ in range(group)]
            for pair in range(dim // 2):
                key = code.load(code.at(tile, pair * LANES * 4), words)
                for g in range(group):
                    asked = code.spread(code.load(code.at(queries[g], pair * 4), code.i32), LANES)
                    sums[g][pair % _PARTIAL] = code.dot(key, asked, sums[g][pair % _PARTIAL])
            for g in range(group):
                total = b.fadd(b.fadd(sums[g][0], sums[g][1]), b.fadd(sums[g][2], sums[g][3]))
                code.store(b.fmul(total, scale), code.at(lines[g], code.times(slot, 4)))
        with code.loop(0, masked) as slot:
            added = code.load(code.at(mask, code.times(slot, 4)), code.f32)
            for g in range(group):
                place = code.at(lines[g], code.times(code.add(open_slots, slot), 4))
                code.store(b.fadd(code.load(place, code.f32), added), place)
        for g in range(group):
            exponentials(code, lines[g], slots, rounded, paired=True)

        def weigh(pair, sums, values=values, lines=lines):
            value = [code.load(code.at(values, code.times(pair, dim * 4), 4 * d), words) for d in parts]
            following, totals = [], []
            for g in range(group):
                share = code.spread(code.load(code.at(lines[g], code.times(pair, 4)), code.i32), LANES)
                totals.append(code.dot(ones, share, sums[group * len(value) + g]))
                following += [code.dot(part, share, sums[g * len(value) + i]) for i, part in enumerate(value)]
            return following + totals

        zeros = [code.number(0.0, LANES)] * (group * len(parts) + group)
        sums = code.fold(0, b.sdiv(code.add(slots, 1), code.whole(2)), 1, zeros, weigh)
        for g in range(group):
            column = code.times(code.add(code.times(head, group), g), dim * worker.unit)
            goal = code.at(normed, code.times(row, shape.attended * worker.unit), column)
            inverse = b.fdiv(code.number(1.0, LANES), sums[group * len(parts) + g])
            for i, d in enumerate(parts):
                result = b.fmul(sums[g * len(parts) + i], inverse)
                worker.put(result, code.at(goal, worker.unit * d))
    code.barrier()
