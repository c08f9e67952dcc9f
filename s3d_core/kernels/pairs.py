"""Attention over keys and values held as pairs of bfloat16, two products to a lane (AVX512-BF16).

Half the memory of float32, and half the instructions. Keys lie in tiles of 16 slots, a pair being two successive
dimensions of one slot: a vector holds 16 slots, so that no sum runs across lanes. Of values a pair is one dimension of
two successive slots, the later one first, since the processor adds a pair's second product before its first: a row's
sum then runs slot by slot, and the slots hidden from it in a tree, whose weights are 0, change no bit of it.
"""

from s3d_core.kernels.jit import LANES, Code
from s3d_core.kernels.turn import Turn
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


def score(worker: Worker, turn: Turn) -> None:
    """Each slot's key times each query, 16 slots at a time."""
    code, b, dim = worker.code, worker.code.b, worker.shape.head_dim
    words, scale = code.integers(LANES), code.number(dim**-0.5, LANES)
    with code.loop(0, turn.rounded, LANES) as slot:
        tile = code.at(turn.keys, code.times(slot, dim * 2))
        sums = [[code.number(0.0, LANES)] * _PARTIAL for _ in turn.queries]
        for pair in range(dim // 2):
            key = code.load(code.at(tile, pair * LANES * 4), words)
            for query, parts in zip(turn.queries, sums, strict=True):
                asked = code.spread(code.load(code.at(query, pair * 4), code.i32), LANES)
                parts[pair % _PARTIAL] = code.dot(key, asked, parts[pair % _PARTIAL])
        for line, (one, two, three, four) in zip(turn.lines, sums, strict=True):
            total = b.fadd(b.fadd(one, two), b.fadd(three, four))
            code.store(b.fmul(total, scale), code.at(line, code.times(slot, 4)))


def weigh(worker: Worker, turn: Turn) -> list:
    """The values' sums by each line's weights, in vectors, and the weights' own sum in every lane."""
    code, b, dim = worker.code, worker.code.b, worker.shape.head_dim
    words, parts = code.integers(LANES), range(0, dim, LANES)
    group, count = len(turn.lines), len(parts)
    ones = code.ir.Constant(words, [0x3F803F80] * LANES)

    def body(pair, sums):
        value = [code.load(code.at(turn.values, code.times(pair, dim * 4), 4 * d), words) for d in parts]
        following, totals = [], []
        for g, line in enumerate(turn.lines):
            share = code.spread(code.load(code.at(line, code.times(pair, 4)), code.i32), LANES)
            totals.append(code.dot(ones, share, sums[group * count + g]))
            following += [code.dot(part, share, sums[g * count + i]) for i, part in enumerate(value)]
        return following + totals

    zeros = [code.number(0.0, LANES)] * (group * count + group)
    sums = code.fold(0, b.sdiv(code.add(turn.slots, 1), code.whole(2)), 1, zeros, body)
    return [(sums[g * count : (g + 1) * count], sums[group * count + g]) for g in range(group)]
