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

import torch
import torch.nn.functional as F

from s3d_core.kernels import eight_bits, four_bits, grouped, jit
from s3d_core.kernels.ahead import NextPanel, Turns
from s3d_core.kernels.jit import LANES, Code
from s3d_core.kernels.layout import Kind, Layout, usual_kind
from s3d_core.pages import Room

_WIDE = jit.lanes_at_once() == LANES
# Most rows multiplied at once: with one block they make so many sums, of 32 registers; with AVX2 a sum is two of 16
# registers, and one where weights are multiplied half a block at a time.
_HEIGHTS = (24, 24) if _WIDE else (6, 9)
# Sums that leave registers enough to weights and a row's number.
_MOST_SUMS = 28 if _WIDE else 6
_UNROLL = 4
# Multiplications below which waking the other threads takes longer than they save.
_WORTH_THREADS = 500_000
# With AVX-512 weights are asked for this many bytes ahead in each stream, more than the hardware does by itself; in a
# lone one twice as many. With AVX2 three streams read by the hardware alone are the faster ones.
_AHEAD = 4096
# Arguments of a compiled product.
_ARGUMENTS = 14


class Packed:
    """A weight `[out, in]` packed for few rows.

    Args:
        room: where it is put; None for a room of its own.
        kind: how it is multiplied; None for what is usual with its precision here.

    Attributes:
        blocks: `[out / 16, in, 16, 1]` in float32, `[out / 16, in / 2, 16, 2]` in bfloat16; with `int8` and `int4`
            `[out / 16, bytes]` (see `eight_bits` and `four_bits`).
    """

    def __init__(self, weight: torch.Tensor, room: Room | None = None, kind: Kind | None = None):
        out, into = weight.shape
        room, weight = room or Room(), weight.detach()
        self.layout = Layout.of(out, into, kind or usual_kind(weight.dtype))
        self.shape = weight.shape
        if self.layout.is_grouped:
            self.blocks = room.take((out // LANES, self.layout.block_bytes), torch.uint8)
            # Not all at once: a float32 copy of an output head would be the largest thing in memory.
            for rows in torch.arange(out).split(4096):
                self.put(rows, weight[rows])
            return
        self._pair = 1 if self.layout.kind == "f32" else 2
        blocks = weight.view(out // LANES, LANES, -1, self._pair).transpose(1, 2)
        self.blocks = room.take(tuple(blocks.shape), weight.dtype).copy_(blocks)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """`x @ weight.T` for float32 `x` `[rows, in]`; float32 `[rows, out]`."""
        out, into = self.shape
        rows = x.shape[0]
        height, padded = tiling(rows, self.layout.kind)
        x = x.bfloat16() if self.layout.kind == "dots" else x
        x = x.contiguous() if padded == rows else F.pad(x, (0, 0, 0, padded - rows))
        y = torch.empty(padded, out, dtype=torch.float32)
        product = _compiled(self.layout, height)
        threads = 1 if rows * out * into < _WORTH_THREADS else torch.get_num_threads()
        panels = out // (self.layout.width * LANES)
        stride = grouped.scratch_bytes(self.layout, padded) if self.layout.is_grouped else 0
        scratch = torch.empty(threads * stride, dtype=torch.uint8)
        addresses = self.blocks.data_ptr(), x.data_ptr(), y.data_ptr()
        product(*addresses, panels, padded, scratch.data_ptr(), stride, threads)
        return y[:rows]

    def rows(self, ids: torch.Tensor) -> torch.Tensor:
        """Rows `[n, in]` of the weight, for an embedding that shares it."""
        flat = ids.reshape(-1).contiguous()
        if flat.numel() and not (flat.numpy().min() >= 0 and flat.numpy().max() < self.shape[0]):
            raise IndexError(f"ids must be from 0 to {self.shape[0] - 1}")
        rows = torch.empty(flat.shape[0], self.shape[1], dtype=torch.float32)
        gather = _compiled_gather(self.layout)
        gather(self.blocks.data_ptr(), flat.data_ptr(), rows.data_ptr(), flat.shape[0])
        return rows.view(*ids.shape, self.shape[1])

    def put(self, places: torch.Tensor, rows: torch.Tensor) -> None:
        """Replace rows `[n, in]` at `places` `[n]` of the weight."""
        if self.layout.kind == "int8":
            eight_bits.pack_into(self.blocks, self.layout, rows, places)
            return
        if self.layout.kind == "int4":
            four_bits.pack_into(self.blocks, rows, places)
            return
        rows = rows.to(self.blocks.dtype).unflatten(-1, (-1, self._pair))
        self.blocks[places // LANES, :, places % LANES] = rows

    def unpacked(self) -> torch.Tensor:
        """The weight as it was; with `int8` and `int4`, what came of it."""
        if self.layout.kind == "int8":
            return eight_bits.unpacked(self.blocks, self.layout)
        if self.layout.kind == "int4":
            return four_bits.unpacked(self.blocks)
        return self.blocks.transpose(1, 2).reshape(self.shape)


def most_height(kind: Kind) -> int:
    """Most rows that are multiplied at once with weights of a kind."""
    return _HEIGHTS[kind in ("int8", "int4")]


def tiling(rows: int, kind: Kind) -> tuple[int, int]:
    """The height of the tiles that `rows` are cut into for a kind of weights, and how many rows are multiplied.

    Those are the rows, where the last tiles may be one row shorter; else the last tile is filled with zeros.
    """
    tiles = -(-rows // most_height(kind))
    height = -(-rows // tiles)
    return height, rows if _has_short_tiles(kind) else tiles * height


def _has_short_tiles(kind: Kind) -> bool:
    """Whether tiles of one row less are compiled as well: with AVX2 a product of many rows takes as long as they do."""
    return not _WIDE and kind in ("f32", "bf16")


@functools.cache
def _compiled(layout: Layout, rows: int):
    """The product with a weight for a tile height, as a C function of (weights, x, y, panels, padded, scratch, stride,
    threads); the scratch is for quantised rows, so many bytes a thread."""
    from llvmlite import ir

    product = compiled_product(layout, rows, 0)
    name = f"team_{product}"
    module = ir.Module(name)
    worker = Code(module, name + "_worker", ["p"], internal=True)
    thread, team = worker.team()
    sizes = [worker.load(worker.at(worker.arguments[0], 8 * i), worker.i64) for i in range(7)]
    weights, x, y, panels, padded, scratch, stride = sizes
    if layout.is_grouped:
        scratch = worker.add(scratch, worker.times(thread, stride))
        x = call_quantiser(worker, layout, x, scratch, padded)
    first, end = worker.share(panels, thread, team)
    function = worker.external(product, ir.VoidType(), [worker.i64] * _ARGUMENTS)
    call_product(worker, worker.b.ptrtoint(function, worker.i64), weights, x, y, panels, first, end, padded)
    worker.b.ret_void()
    jit.parallel_entry(module, worker, name, 7)
    jit.compile_module(module)
    return ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 7, ctypes.c_int32)(jit.address(name))


@functools.cache
def _compiled_gather(layout: Layout):
    """A C function of (weights, ids, rows, count) that unpacks rows by their int64 ids."""
    from llvmlite import ir

    into, kind = layout.into, layout.kind
    name = f"gather_{into}_{kind}"
    module = ir.Module(name)
    code = Code(module, name, ["p", "p", "p", "i"])
    b = code.b
    weights, ids, rows, count = code.arguments
    inputs = 1 if kind == "f32" else 2
    with code.loop(0, count) as number:
        row = code.load(code.at(ids, code.times(number, 8)), code.i64, 8)
        block, lane = b.sdiv(row, code.whole(LANES)), b.srem(row, code.whole(LANES))
        source = code.at(weights, code.times(block, layout.block_bytes))
        goal = code.at(rows, code.times(number, into * 4))
        if layout.is_grouped:
            form = eight_bits if kind == "int8" else four_bits
            form.write_row(code, layout, source, lane, goal)
        else:
            _write_row(code, into, inputs, source, lane, goal)
    b.ret_void()
    jit.compile_module(module)
    return ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 4)(jit.address(name))


def _write_row(code: Code, into: int, inputs: int, block, lane, goal) -> None:
    """Write code that unpacks one row of a block, whose words hold one float32 or two bfloat16."""
    b = code.b
    with code.loop(0, into // inputs) as k:
        word = code.load(code.at(block, code.times(k, LANES * 4), code.times(lane, 4)), code.i32)
        words = [word]
        if inputs == 2:
            words = [
                b.shl(word, code.ir.Constant(code.i32, 16)),
                b.and_(word, code.ir.Constant(code.i32, 0xFFFF0000)),
            ]
        for i, value in enumerate(words):
            code.store(value, code.at(goal, code.times(k, 4 * inputs), 4 * i))


def call_quantiser(code: Code, layout: Layout, x, scratch, rows):
    """Write a call that quantises rows into a scratch; what a product takes as its rows."""
    function = code.external(grouped.compiled_quantiser(layout), code.ir.VoidType(), [code.i64] * 3)
    code.b.call(function, [code.whole(v) for v in (x, scratch, rows)])
    return scratch


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
    rank above 0 only. Arguments, all 64-bit: weights, x `[padded, into]`, y `[padded, out]`, panels, first,
    end, padded (a multiple of `rows` less what `tiling` allows), low, low_x `[padded, rank]`, and base
    with its row and column steps in bytes (so that it can be nothing, a bias or the residual
    stream), and what `ahead.NextPanel` asks for behind the last panel, with the bytes between its streams; base 0 is
    nothing, and so is 0 there. x and low_x are of their layouts' kinds (of grouped weights, x is what the quantiser
    wrote); y is float32, or bfloat16 if `narrow`.
    """
    from llvmlite import ir

    into, width = layout.into, layout.width
    name = f"product_{into}_{width}_{rows}_{layout.kind}_{rank}{'_narrow' if narrow else ''}"
    module = ir.Module(name)
    code = Code(module, name, ["i"] * _ARGUMENTS)
    b = code.b
    vector, words = code.floats(LANES), code.integers(LANES)
    weights, x, y, panels, first, end, padded, low, low_x, base, base_row, base_column, *behind = code.arguments
    zeros = ir.GlobalVariable(module, vector, name + "_zeros")
    zeros.initializer, zeros.global_constant, zeros.linkage = code.number(0.0, LANES), True, "internal"
    base = b.select(b.icmp_signed("==", base, code.whole(0)), b.ptrtoint(zeros, code.i64), base)
    weights, x, y, low, low_x, base = (b.inttoptr(v, code.pointer) for v in (weights, x, y, low, low_x, base))
    same = ir.FunctionType(code.pointer, [code.pointer])
    # Three streams at once, or one block at a time.
    is_wide = width > 1 and rows * width <= _MOST_SUMS and (_WIDE or rows == 1 or not layout.is_grouped)
    by_panels = not (_WIDE or layout.is_grouped)
    tiles = b.sdiv(code.add(padded, rows - 1), code.whole(rows))
    # The first of the shorter tiles, where there are any; a lone tile is as high as its rows are many.
    whole_tiles = b.sub(code.add(tiles, padded), code.times(tiles, rows))
    has_short = _has_short_tiles(layout.kind) and 2 * rows > most_height(layout.kind)

    def block(panel, i):
        """Number of a panel's i-th block; the next panel's follows it in memory, so that streams are long."""
        return code.add(panel, code.times(panels, i))

    def loaded(place, v, inputs):
        """A vector of weights, for the v-th of the inputs that share a place."""
        if inputs == 1:
            return code.load(place, vector)
        # Read anew for each half: a register that holds both while one is in use is one too many.
        pair = code.load(b.asm(same, "", "=r,0", [place], False), words)
        if v:
            half = b.and_(pair, ir.Constant(words, [0xFFFF0000] * LANES))
        else:
            half = b.shl(pair, ir.Constant(words, [16] * LANES))
        return b.bitcast(half, vector)

    def multiply(held, matrix, panel, streams, x, tile, row, sums):
        """Add the products of a tile, from `row` on, with some streams' blocks of a panel to the sums, one vector per
        (row, block)."""
        rows = len(sums) // len(streams)
        blocks = [block(panel, i) for i in streams]
        # The first tile reads a panel from memory; while the last one multiplies with it, the next is asked for.
        near = _AHEAD if len(blocks) > 1 else 2 * _AHEAD
        is_last = b.and_(b.icmp_signed(">", tile, code.whole(0)), b.icmp_signed("==", code.add(tile, 1), tiles))
        ahead = b.select(is_last, code.whole(held.block_bytes), code.whole(near))
        starts = [code.at(matrix, code.times(block, held.block_bytes)) for block in blocks]

        def fetch(place):
            code.prefetch(code.at(place, ahead))

        if held.is_grouped:

            def fetch_later(start, offset, first, together):
                if _WIDE:
                    if not first:  # the others lie in the same line
                        fetch(code.at(start, offset))
                elif not together:
                    # Half a block is read at a time, and half of the next one asked for meanwhile.
                    half = code.times(code.whole(first // (LANES // 2)), held.block_bytes // 2)
                    code.prefetch(code.at(start, held.block_bytes, half, b.lshr(offset, code.whole(1))))

            return grouped.multiply(code, held, starts, x, row, padded, rows, sums, fetch_later)
        length, unit = held.into, held.row_bytes
        # What is loaded at once: 16 outputs' weights for one input, or for two in bfloat16.
        inputs = 1 if held.kind == "f32" else 2
        tile_x = code.at(x, code.times(row, length * unit))
        following = None
        if by_panels and not is_wide:
            every = [code.at(matrix, code.times(block(panel, i), held.block_bytes)) for i in range(width)]
            is_end = b.icmp_signed("==", code.add(panel, 1), end)
            turns = Turns(code.add(code.times(streams[0], tiles), tile), code.times(width, tiles), _UNROLL)
            following = NextPanel(code, held, every, is_end, behind if held is layout else (0, 0), turns)

        def body(k, sums):
            sums = list(sums)
            if following:
                following.ask(k)
            along = code.times(k, LANES * 4 // inputs)
            for u in range(0, _UNROLL, inputs):
                places = [code.at(start, along, u // inputs * LANES * 4) for start in starts]
                for place in () if by_panels else places:
                    fetch(place)
                if held.kind == "dots":
                    factors = [code.load(place, words) for place in places]
                    for r in range(rows):
                        pair = code.load(code.at(tile_x, code.times(k, 2), 2 * (r * length + u)), code.i32)
                        pair = code.spread(pair, LANES)
                        for i in range(len(blocks)):
                            at = r * len(blocks) + i
                            sums[at] = code.dot(factors[i], pair, sums[at])
                    continue
                for v in range(inputs):
                    factors = [loaded(place, v, inputs) for place in places]
                    for r in range(rows):
                        value = code.load(code.at(tile_x, code.times(k, 4), 4 * (r * length + u + v)), code.f32)
                        value = code.spread(value, LANES)
                        for i in range(len(blocks)):
                            at = r * len(blocks) + i
                            sums[at] = code.call_float("fma", factors[i], value, sums[at])
            return sums

        return code.fold(0, length, _UNROLL, sums, body)

    def finish(panel, streams, tile, first_row, height):
        sums = [code.number(0.0, LANES)] * (height * len(streams))
        sums = multiply(layout, weights, panel, streams, x, tile, first_row, sums)
        if rank:
            sums = multiply(layout.low(rank), low, panel, streams, low_x, tile, first_row, sums)
        for r in range(height):
            row = code.add(first_row, r)
            out_bytes = 2 if narrow else 4
            row_bytes = code.times(row, code.times(panels, width * LANES * out_bytes))
            for i, stream in enumerate(streams):
                at = block(panel, stream)
                added = code.load(code.at(base, code.times(row, base_row), code.times(at, base_column)), vector)
                place = code.at(y, row_bytes, code.times(at, LANES * out_bytes))
                result = b.fadd(sums[r * len(streams) + i], added)
                code.store(code.narrow(result) if narrow else result, place)

    def all_tiles(panel, streams):
        with code.loop(0, whole_tiles if has_short else tiles) as tile:
            finish(panel, streams, tile, code.times(tile, rows), rows)
        if has_short:
            with code.loop(whole_tiles, tiles) as tile:
                first_row = b.sub(padded, code.times(b.sub(tiles, tile), rows - 1))
                finish(panel, streams, tile, first_row, rows - 1)

    if is_wide:
        with code.loop(first, end) as panel:
            all_tiles(panel, range(width))
    elif by_panels:
        with code.loop(first, end) as panel, code.loop(0, width) as stream:
            all_tiles(panel, [stream])
    else:
        with code.loop(0, width) as stream, code.loop(first, end) as panel:
            all_tiles(panel, [stream])
    b.ret_void()
    jit.compile_module(module)
    return name
