"""Exponentials of vectors, and of a line of attention scores."""

import math

from s3d_core.kernels.jit import LANES, Code


def exp(code: Code, x):
    """exp of a vector: a power of two times a Taylor polynomial on [-ln 2 / 2, ln 2 / 2]; about one ulp."""
    b = code.b

    def number(value):
        return code.number(value, LANES)

    # Far below, the result is some 1e-38 and not yet a number that slows the processor down.
    x = code.call_float("minnum", code.call_float("maxnum", x, number(-87.0)), number(88.0))
    power = code.call_float("rint", b.fmul(x, number(1 / math.log(2))))
    # ln 2 in two parts, the first of few bits, so that the difference is exact.
    rest = code.call_float("fma", power, number(-0.693359375), x)
    rest = code.call_float("fma", power, number(0.693359375 - math.log(2)), rest)
    value = number(1 / math.factorial(7))
    for degree in range(6, -1, -1):
        value = code.call_float("fma", value, rest, number(1 / math.factorial(degree)))
    whole = b.fptosi(power, code.integers(LANES))
    bits = b.shl(b.add(whole, code.ir.Constant(whole.type, [127] * LANES)), code.ir.Constant(whole.type, [23] * LANES))
    return b.fmul(value, b.bitcast(bits, code.floats(LANES)))


def exponentials(code: Code, line, slots, rounded, paired: bool = False) -> None:
    """Replace a line of scores by their exponentials over the largest; those of hidden slots are 0.

    Args:
        paired: as bfloat16, each two slots in one word, the later one in the lower half.
    """
    b, vector = code.b, code.floats(LANES)
    lowest = code.number(-3.0e38)
    with code.loop(slots, rounded) as slot:
        code.store(lowest, code.at(line, code.times(slot, 4)))

    def larger(slot, held):
        return [code.call_float("maxnum", held[0], code.load(code.at(line, code.times(slot, 4)), vector))]

    largest = code.fold(0, rounded, LANES, [code.spread(lowest, LANES)], larger)[0]
    reduce = code.external(f"llvm.vector.reduce.fmax.v{LANES}f32", code.f32, [vector])
    largest = code.spread(b.call(reduce, [largest]), LANES)
    hidden, nothing = code.number(-1.0e38, LANES), code.number(0.0, LANES)
    with code.loop(0, rounded, LANES) as slot:
        place = code.at(line, code.times(slot, 4))
        score = code.load(place, vector)
        weight = b.select(b.fcmp_ordered(">", score, hidden), exp(code, b.fsub(score, largest)), nothing)
        if paired:
            half = LANES // 2
            words = b.bitcast(code.narrow(weight), code.integers(half))
            sixteen = code.ir.Constant(words.type, [16] * half)
            words = b.or_(b.shl(words, sixteen), b.lshr(words, sixteen))
            code.store(words, code.at(line, code.times(slot, 2)), 2)
        else:
            code.store(weight, place)
