"""Matrix products of a few rows with a large weight.

Verifying 17 rows should cost about what one row does, since both read every weight once. The
usual libraries are made for one row or for hundreds: in between they take two to four times as
long, which would eat the whole gain of drafting. Here the weight is packed in blocks of 16
outputs; up to three blocks at a time are read once (three streams come faster from memory than
one; many rows leave registers to one), widened from bfloat16 on the way where need be, and
multiplied with all rows while they are in registers. Two bfloat16 of successive inputs share a
32-bit lane, so that widening takes one operation each; where the processor multiplies and adds
such pairs itself, the rows are rounded to bfloat16 too and nothing is widened. Every output is
summed in the same order whatever the number of rows, so a row's result does not depend on its
company.
"""

import ctypes
import functools
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from s3d_core.kernels import jit
from s3d_core.kernels.jit import LANES, Code
from s3d_core.pages import Room

# Most rows multiplied at once: with one block they make so many sums, of 32 registers.
MOST_HEIGHT = 24
# Sums that leave registers enough to weights and a row's number.
_MOST_SUMS = 28
_UNROLL = 4
# Multiplications below which waking the other threads takes longer than they save.
_WORTH_THREADS = 500_000
# Blocks multiplied at once.
_WIDTHS = (3, 2, 1)
# Weights are asked for this many bytes ahead in each stream, more than the hardware does by itself; in a lone one twice
# as many.
_AHEAD = 4096
# Arguments of a compiled product.
_ARGUMENTS = 12


@dataclass(frozen=True)
class Layout:
    """How a packed weight is read: blocks of `into` inputs, `width` of them at a time.

    Attributes:
        dots: rows are bfloat16 like the weights and multiplied pair by pair (`jit.dots_bf16`).
    """

    into: int
    width: int
    is_bf16: bool
    dots: bool

    @classmethod
    def of(cls, out: int, into: int, is_bf16: bool) -> "Layout":
        """The layout of a weight `[out, into]`."""
        width = next(w for w in _WIDTHS if out % (w * LANES) == 0)
        return cls(into, width, is_bf16, is_bf16 and jit.dots_bf16())

    @property
    def kind(self) -> str:
        """Names the numbers that are multiplied."""
        return "dots" if self.dots else "bf16" if self.is_bf16 else "f32"

    def block_bytes(self, into: int) -> int:
        """Bytes of a block of 16 outputs with so many inputs."""
        return LANES * into * (2 if self.is_bf16 else 4)

    @property
    def row_bytes(self) -> int:
        """Bytes of a number in the rows that are multiplied."""
        return 2 if self.dots else 4


class Packed:
    """A weight `[out, in]` packed for few rows.

    Args:
        room: where it is put; None for a room of its own.

    Attributes:
        blocks: `[out / 16, in, 16, 1]` in float32, `[out / 16, in / 2, 16, 2]` in bfloat16.
    """

    def __init__(self, weight: torch.Tensor, room: Room | None = None):
        out, into = weight.shape
        self.layout = Layout.of(out, into, weight.dtype == torch.bfloat16)
        self._pair = 2 if self.layout.is_bf16 else 1
        blocks = weight.detach().view(out // LANES, LANES, -1, self._pair).transpose(1, 2)
        self.blocks = (room or Room()).take(tuple(blocks.shape), weight.dtype).copy_(blocks)
        self.shape = weight.shape

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """`x @ weight.T` for float32 `x` `[rows, in]`; float32 `[rows, out]`."""
        out, into = self.shape
        rows = x.shape[0]
        height, tiles = tiling(rows)
        x = x.bfloat16() if self.layout.dots else x
        x = x.contiguous() if tiles * height == rows else F.pad(x, (0, 0, 0, tiles * height - rows))
        y = torch.empty(tiles * height, out, dtype=torch.float32)
        product = _compiled(self.layout, height)
        threads = 1 if rows * out * into < _WORTH_THREADS else torch.get_num_threads()
        panels = out // (self.layout.width * LANES)
        product(self.blocks.data_ptr(), x.data_ptr(), y.data_ptr(), panels, tiles, threads)
        return y[:rows]

    def rows(self, ids: torch.Tensor) -> torch.Tensor:
        """Rows `[n, in]` of the weight, for an embedding that shares it."""
        flat = ids.reshape(-1).contiguous()
        if flat.numel() and not (flat.numpy().min() >= 0 and flat.numpy().max() < self.shape[0]):
            raise IndexError(f"ids must be from 0 to {self.shape[0] - 1}")
        rows = torch.empty(flat.shape[0], self.shape[1], dtype=torch.float32)
        gather = _compiled_gather(self.shape[1], self.layout.is_bf16)
        gather(self.blocks.data_ptr(), flat.data_ptr(), rows.data_ptr(), flat.shape[0])
        return rows.view(*ids.shape, self.shape[1])

    def put(self, places: torch.Tensor, rows: torch.Tensor) -> None:
        """Replace rows `[n, in]` at `places` `[n]` of the weight."""
        rows = rows.to(self.blocks.dtype).unflatten(-1, (-1, self._pair))
        self.blocks[places // LANES, :, places % LANES] = rows

    def unpacked(self) -> torch.Tensor:
        """The weight as it was."""
        return self.blocks.transpose(1, 2).reshape(self.shape)


def fits(weight: torch.Tensor) -> bool:
    """Whether a weight can be packed: on the CPU, of a known precision, and of even blocks."""
    out, into = weight.shape
    known = weight.dtype in (torch.float32, torch.bfloat16)
    return weight.device.type == "cpu" and known and out % LANES == 0 and into % _UNROLL == 0


def tiling(rows: int) -> tuple[int, int]:
    """Height and number of the tiles that `rows` are cut into; the last is filled up with zeros."""
    tiles = -(-rows // MOST_HEIGHT)
    return -(-rows // tiles), tiles


@functools.cache
def _compiled(layout: Layout, rows: int):
    """The product with a weight for a tile height, as a C function of (weights, x, y, panels, tiles, threads)."""
    from llvmlite import ir

    product = compiled_product(layout, rows, 0)
    name = f"team_{product}"
    module = ir.Module(name)
    worker = Code(module, name + "_worker", ["p"], internal=True)
    thread, team = worker.team()
    weights, x, y, panels, tiles = (worker.load(worker.at(worker.arguments[0], 8 * i), worker.i64) for i in range(5))
    first, end = worker.share(panels, thread, team)
    function = worker.external(product, ir.VoidType(), [worker.i64] * _ARGUMENTS)
    call_product(worker, worker.b.ptrtoint(function, worker.i64), weights, x, y, panels, first, end, tiles)
    worker.b.ret_void()
    jit.parallel_entry(module, worker, name, 5)
    jit.compile_module(module)
    return ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 5, ctypes.c_int32)(jit.address(name))


@functools.cache
def _compiled_gather(into: int, is_bf16: bool):
    """A C function of (weights, ids, rows, count) that unpacks rows by their int64 ids."""
    from llvmlite import ir

    name = f"gather_{into}_{'bf16' if is_bf16 else 'f32'}"
    module = ir.Module(name)
    code = Code(module, name, ["p", "p", "p", "i"])
    b = code.b
    weights, ids, rows, count = code.arguments
    inputs = 2 if is_bf16 else 1
    with code.loop(0, count) as number:
        row = code.load(code.at(ids, code.times(number, 8)), code.i64, 8)
        block, lane = b.sdiv(row, code.whole(LANES)), b.srem(row, code.whole(LANES))
        source = code.at(weights, code.times(block, into // inputs * LANES * 4), code.times(lane, 4))
        goal = code.at(rows, code.times(number, into * 4))
        with code.loop(0, into // inputs) as k:
            word = code.load(code.at(source, code.times(k, LANES * 4)), code.i32)
            words = [word]
            if is_bf16:
                words = [
                    b.shl(word, code.ir.Constant(code.i32, 16)),
                    b.and_(word, code.ir.Constant(code.i32, 0xFFFF0000)),
                ]
            for i, value in enumerate(words):
                code.store(value, code.at(goal, code.times(k, 4 * inputs), 4 * i))
    b.ret_void()
    jit.compile_module(module)
    return ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 4)(jit.address(name))


def call_product(code: Code, product, *sizes):
    """Write a call of the product at an address with the arguments of `compiled_product`; those left out are 0."""
    sizes += (0,) * (_ARGUMENTS - len(sizes))
    kind = code.ir.FunctionType(code.ir.VoidType(), [code.i64] * _ARGUMENTS)
    code.b.call(code.b.inttoptr(product, kind.as_pointer()), [code.whole(size) for size in sizes])


@functools.cache
def compiled_product(layout: Layout, rows: int, rank: int, narrow: bool = False) -> str:
    """Compile one thread's share of a product; the name of the function.

    It writes the panels from `first` to `end` of `y = base + x @ W.T + low_x @ low.T`, where `low`,
    packed like W, is the second half of a low-rank update that shares the sums, and is there for a
    rank above 0 only. Arguments, all 64-bit: weights, x `[tiles * rows, into]`, y
    `[tiles * rows, out]`, panels, first, end, tiles, low, low_x `[tiles * rows, rank]`, and base
    with its row and column steps in bytes (so that it can be nothing, a bias or the residual
    stream); base 0 is nothing. x and low_x are of the layout's kind; y is float32, or bfloat16 if `narrow`.
    """
    from llvmlite import ir

    into, width, is_bf16, unit = layout.into, layout.width, layout.is_bf16, layout.row_bytes
    name = f"product_{into}_{width}_{rows}_{layout.kind}_{rank}{'_narrow' if narrow else ''}"
    module = ir.Module(name)
    code = Code(module, name, ["i"] * _ARGUMENTS)
    b = code.b
    vector, words = code.floats(LANES), code.integers(LANES)
    # What is loaded at once: 16 outputs' weights for one input, or for two in bfloat16.
    inputs = 2 if is_bf16 else 1
    weights, x, y, panels, first, end, tiles, low, low_x, base, base_row, base_column = code.arguments
    zeros = ir.GlobalVariable(module, vector, name + "_zeros")
    zeros.initializer, zeros.global_constant, zeros.linkage = code.number(0.0, LANES), True, "internal"
    base = b.select(b.icmp_signed("==", base, code.whole(0)), b.ptrtoint(zeros, code.i64), base)
    weights, x, y, low, low_x, base = (b.inttoptr(v, code.pointer) for v in (weights, x, y, low, low_x, base))
    prefetch = code.external("llvm.prefetch.p0", ir.VoidType(), [code.pointer, code.i32, code.i32, code.i32])
    same = ir.FunctionType(code.pointer, [code.pointer])
    hints = [ir.Constant(code.i32, v) for v in (0, 3, 1)]  # to be read, kept close, as data

    def block(panel, i):
        """Number of a panel's i-th block; the next panel's follows it in memory, so that streams are long."""
        return code.add(panel, code.times(panels, i))

    def loaded(place, v):
        """A vector of weights, for the v-th of the inputs that share a place."""
        if not is_bf16:
            return code.load(place, vector)
        # Read anew for each half: a register that holds both while one is in use is one too many.
        pair = code.load(b.asm(same, "", "=r,0", [place], False), words)
        if v:
            half = b.and_(pair, ir.Constant(words, [0xFFFF0000] * LANES))
        else:
            half = b.shl(pair, ir.Constant(words, [16] * LANES))
        return b.bitcast(half, vector)

    def multiply(matrix, blocks, tile_x, length, is_last, sums):
        """Add the products with some blocks of a matrix to the sums, one vector per (row, block)."""
        # The first tile reads a panel from memory; while the last one multiplies with it, the next is asked for.
        ahead = b.select(
            is_last, code.whole(layout.block_bytes(length)), code.whole(_AHEAD if len(blocks) > 1 else 2 * _AHEAD)
        )
        starts = [code.at(matrix, code.times(block, layout.block_bytes(length))) for block in blocks]

        def body(k, sums):
            sums = list(sums)
            along = code.times(k, LANES * 4 // inputs)
            for u in range(0, _UNROLL, inputs):
                places = [code.at(start, along, u // inputs * LANES * 4) for start in starts]
                for place in places:
                    b.call(prefetch, [code.at(place, ahead), *hints])
                if layout.dots:
                    factors = [code.load(place, words) for place in places]
                    for r in range(rows):
                        pair = code.load(code.at(tile_x, code.times(k, 2), 2 * (r * length + u)), code.i32)
                        pair = code.spread(pair, LANES)
                        for i in range(len(blocks)):
                            at = r * len(blocks) + i
                            sums[at] = code.dot(factors[i], pair, sums[at])
                    continue
                for v in range(inputs):
                    factors = [loaded(place, v) for place in places]
                    for r in range(rows):
                        value = code.load(code.at(tile_x, code.times(k, 4), 4 * (r * length + u + v)), code.f32)
                        value = code.spread(value, LANES)
                        for i in range(len(blocks)):
                            at = r * len(blocks) + i
                            sums[at] = code.call_float("fma", factors[i], value, sums[at])
            return sums

        return code.fold(0, length, _UNROLL, sums, body)

    def finish(tile, blocks):
        sums = [code.number(0.0, LANES)] * (rows * len(blocks))
        is_last = b.and_(b.icmp_signed(">", tile, code.whole(0)), b.icmp_signed("==", code.add(tile, 1), tiles))
        sums = multiply(weights, blocks, code.at(x, code.times(tile, rows * into * unit)), into, is_last, sums)
        if rank:
            sums = multiply(low, blocks, code.at(low_x, code.times(tile, rows * rank * unit)), rank, is_last, sums)
        for r in range(rows):
            row = code.add(code.times(tile, rows), r)
            out_bytes = 2 if narrow else 4
            row_bytes = code.times(row, code.times(panels, width * LANES * out_bytes))
            for i, block in enumerate(blocks):
                added = code.load(code.at(base, code.times(row, base_row), code.times(block, base_column)), vector)
                place = code.at(y, row_bytes, code.times(block, LANES * out_bytes))
                result = b.fadd(sums[r * len(blocks) + i], added)
                code.store(code.narrow(result) if narrow else result, place)

    if width > 1 and rows * width <= _MOST_SUMS:
        with code.loop(first, end) as panel, code.loop(0, tiles) as tile:
            finish(tile, [block(panel, i) for i in range(width)])
    else:
        with code.loop(0, width) as stream, code.loop(first, end) as panel, code.loop(0, tiles) as tile:
            finish(tile, [code.add(panel, code.times(panels, stream))])
    b.ret_void()
    jit.compile_module(module)
    return name
