"""Fours of small numbers multiplied and added up, in the instructions that this processor has.

All ways give the same whole numbers. AVX512-VNNI has one instruction for it, which wants its first side without a sign.
AVX2 multiplies pairs into 16 bits. Two products of 8 bits with a sign just fit in there: so it is given the weights'
sizes, and the rows with the weights' signs, and the pairs are widened at once. Of weights of 4 bits sixteen do.
"""

from typing import Any, Protocol

from s3d_core.kernels import jit
from s3d_core.kernels.jit import LANES, Code

BIAS = 128
"""What stored weights of 8 bits are above their values, so that none has a sign."""
MOST_NIBBLES = 32
"""Products of weights of 4 bits that a sum takes."""


class Fours(Protocol):
    """Adds products of fours up.

    Attributes:
        lanes: outputs whose weights are multiplied at once.
        offset: what must be taken off a sum of weights of 8 bits, times the sum of the row's numbers.
        at_once: fours that the code of a loop's turn should hold: more of them and LLVM, which is free to add whole
            numbers in any order, takes one row after the other and has no registers left for what they share.
    """

    lanes: int
    offset: int
    at_once: int

    def weights(self, words) -> Any:
        """What `add` wants of fours of weights, given as 32-bit integers `[lanes]`."""
        ...

    def row(self, word) -> Any:
        """What `add` wants of a row's four numbers, given as a 32-bit integer."""
        ...

    def nothing(self, begin) -> Any:
        """The sum of no products; `begin`, an int32 or None, is what the row's begin at where there is an offset."""
        ...

    def add(self, weights, row, total) -> Any:
        """A sum with one more four."""
        ...

    def whole(self, total):
        """A sum as int32 `[lanes]`."""
        ...


def eights(code: Code) -> Fours:
    """The way of this processor for weights of 8 bits."""
    return _Vnni(code, BIAS) if jit.dots_vnni() else _Avx2Eights(code)


def nibbles(code: Code) -> Fours:
    """The way of this processor for weights of 4 bits, no more than `MOST_NIBBLES` to a sum."""
    return _Vnni(code, 0) if jit.dots_vnni() else _Avx2Nibbles(code)


class _Vnni:
    """One instruction for 64 products."""

    lanes, at_once = LANES, 16

    def __init__(self, code: Code, offset: int):
        self._code, self.offset = code, offset

    def weights(self, words):
        return words

    def row(self, word):
        return self._code.spread(word, LANES)

    def nothing(self, begin):
        code = self._code
        return code.spread(code.ir.Constant(code.i32, 0) if begin is None else begin, LANES)

    def add(self, weights, row, total):
        code = self._code
        kind = code.integers(LANES)
        function = code.external("llvm.x86.avx512.vpdpbusd.512", kind, [kind] * 3)
        return code.b.call(function, [total, weights, row])

    def whole(self, total):
        return total


class _Avx2:
    """What both ways of AVX2 share."""

    lanes, offset, at_once = 8, 0, 1

    def __init__(self, code: Code):
        self._code, ir = code, code.ir
        self._bytes, self._shorts, self._words = (ir.VectorType(ir.IntType(n), 256 // n) for n in (8, 16, 32))

    def row(self, word):
        return self._code.b.bitcast(self._code.spread(word, self.lanes), self._bytes)

    def _pairs(self, sizes, numbers):
        """Sums of two products each, in 16 bits; only the second side has signs."""
        function = self._code.external("llvm.x86.avx2.pmadd.ub.sw", self._shorts, [self._bytes] * 2)
        return self._code.b.call(function, [sizes, numbers])

    def _joined(self, pairs):
        """Sums of two neighbours each, in 32 bits."""
        function = self._code.external("llvm.x86.avx2.pmadd.wd", self._words, [self._shorts] * 2)
        return self._code.b.call(function, [pairs, self._code.ir.Constant(self._shorts, [1] * 16)])


class _Avx2Eights(_Avx2):
    """Four instructions for 32 products."""

    def weights(self, words):
        code, b = self._code, self._code.b
        signed = b.xor(b.bitcast(words, self._bytes), code.ir.Constant(self._bytes, [BIAS] * 32))
        # The smallest number of 8 bits does not occur.
        bit = code.ir.Constant(code.ir.IntType(1), 1)
        size = code.external("llvm.abs.v32i8", self._bytes, [self._bytes, bit.type])
        return signed, b.call(size, [signed, bit])

    def nothing(self, begin):
        return self._code.ir.Constant(self._words, [0] * 8)

    def add(self, weights, row, total):
        signed, size = weights
        sign = self._code.external("llvm.x86.avx2.psign.b", self._bytes, [self._bytes] * 2)
        pairs = self._pairs(size, self._code.b.call(sign, [row, signed]))
        return self._code.b.add(total, self._joined(pairs))

    def whole(self, total):
        return total


class _Avx2Nibbles(_Avx2):
    """Two instructions for 32 products."""

    def weights(self, words):
        return self._code.b.bitcast(words, self._bytes)

    def nothing(self, begin):
        return self._code.ir.Constant(self._shorts, [0] * 16)

    def add(self, weights, row, total):
        return self._code.b.add(total, self._pairs(weights, row))

    def whole(self, total):
        return self._joined(total)
