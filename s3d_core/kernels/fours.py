"""Fours of 8-bit numbers multiplied and added up, in the instructions that this processor has.

Both ways give the same whole numbers. AVX512-VNNI has one instruction for it, which wants its first side without a
sign. AVX2 multiplies pairs into 16 bits, where two products of 8 bits with a sign just fit: so it is given the weights'
sizes, and the rows with the weights' signs.
"""

from typing import Any, Protocol

from s3d_core.kernels import jit
from s3d_core.kernels.jit import LANES, Code

BIAS = 128
"""What stored weights are above their values, so that none has a sign."""


class Fours(Protocol):
    """Adds products of fours up, in 16 lanes of int32.

    Attributes:
        offset: what must be taken off a sum, times the sum of the row's numbers.
        at_once: fours that the code of a loop's turn should hold: more of them and LLVM, which is free to add whole
            numbers in any order, takes one row after the other and has no registers left for what they share.
    """

    offset: int
    at_once: int

    def weights(self, words) -> Any:
        """What `add` wants of 16 fours of stored weights, given as 32-bit integers `[16]`."""
        ...

    def row(self, word) -> Any:
        """What `add` wants of a row's four numbers, given as a 32-bit integer."""
        ...

    def nothing(self, begin):
        """The sum of no products, int32 `[16]`; `begin` is what the row's begin at here."""
        ...

    def add(self, weights, row, total):
        """A sum with one more four."""
        ...


def fours(code: Code) -> Fours:
    """The way of this processor."""
    return _Vnni(code) if jit.dots_vnni() else _Avx2(code)


class _Vnni:
    """One instruction for 64 products."""

    offset, at_once = BIAS, 16

    def __init__(self, code: Code):
        self._code = code

    def weights(self, words):
        return words

    def row(self, word):
        return self._code.spread(word, LANES)

    def nothing(self, begin):
        return self._code.spread(begin, LANES)

    def add(self, weights, row, total):
        code = self._code
        kind = code.integers(LANES)
        function = code.external("llvm.x86.avx512.vpdpbusd.512", kind, [kind] * 3)
        return code.b.call(function, [total, weights, row])


class _Avx2:
    """Four instructions for 32 products; a sum is two registers."""

    offset, at_once = 0, 1

    def __init__(self, code: Code):
        self._code, ir = code, code.ir
        self._bytes, self._shorts, self._words = (ir.VectorType(ir.IntType(n), 256 // n) for n in (8, 16, 32))

    def weights(self, words):
        code, b = self._code, self._code.b
        parts = []
        for half in code.halves(words):
            flipped = b.xor(b.bitcast(half, self._bytes), code.ir.Constant(self._bytes, [BIAS] * 32))
            # The smallest number of 8 bits does not occur.
            bit = code.ir.Constant(code.ir.IntType(1), 1)
            size = code.external("llvm.abs.v32i8", self._bytes, [self._bytes, bit.type])
            parts.append((flipped, b.call(size, [flipped, bit])))
        return parts

    def row(self, word):
        return self._code.b.bitcast(self._code.spread(word, LANES // 2), self._bytes)

    def nothing(self, begin):
        kind = self._code.integers(LANES)
        return self._code.ir.Constant(kind, [0] * LANES)

    def add(self, weights, row, total):
        code, b = self._code, self._code.b
        sign = code.external("llvm.x86.avx2.psign.b", self._bytes, [self._bytes] * 2)
        pairs = code.external("llvm.x86.avx2.pmadd.ub.sw", self._shorts, [self._bytes] * 2)
        joined = code.external("llvm.x86.avx2.pmadd.wd", self._words, [self._shorts] * 2)
        ones = code.ir.Constant(self._shorts, [1] * LANES)
        sums = []
        for (flipped, size), held in zip(weights, code.halves(total), strict=True):
            products = b.call(pairs, [size, b.call(sign, [row, flipped])])
            sums.append(b.add(held, b.call(joined, [products, ones])))
        return b.shuffle_vector(*sums, code.ir.Constant(code.integers(LANES), list(range(LANES))))
