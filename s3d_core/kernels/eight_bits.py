"""Weights and rows as whole numbers of eight bits, multiplied four by four (see `fours`).

Half of bfloat16's bytes to read and half of its instructions. 16 to 64 successive inputs share a scale, their largest
number divided by 127, weights and rows alike, so that one large number spoils only its group. Weights are stored plus
128, without a sign; where they are multiplied so, a row's sum begins at -128 times the sum of the row's own numbers.
Within a group sums are exact, and groups are added in order, so that a row's result does not depend on its company.
"""

import functools

import torch

from s3d_core.kernels import jit
from s3d_core.kernels.fours import BIAS, fours
from s3d_core.kernels.jit import LANES, Code
from s3d_core.kernels.layout import Layout

_MOST = 127.0
# What a quantised row takes beside its numbers: a scale and a start, four bytes each, for every group.
_GROUP_BYTES = 8


def scratch_bytes(into: int, rows: int) -> int:
    """Bytes that so many quantised rows take."""
    return rows * (into + _GROUP_BYTES * Layout(into, 1, "int8").groups)


def quantised(weight: torch.Tensor, layout: Layout) -> tuple[torch.Tensor, torch.Tensor]:
    """Weights `[out, in]` as uint8 `[out, in]`, 128 standing for 0, and scales `[out, groups]` in bfloat16."""
    grouped = weight.float().unflatten(1, (layout.groups, layout.group))
    scale = grouped.abs().amax(dim=2) / _MOST
    narrow = scale.bfloat16()
    # Rounded up: no weight may be more than 127 scales.
    narrow = torch.where(narrow.float() < scale, torch.nextafter(narrow, torch.tensor(torch.inf).bfloat16()), narrow)
    steps = grouped / narrow.float().clamp(min=torch.finfo(torch.float32).tiny)[:, :, None]
    return (steps.round() + BIAS).to(torch.uint8).flatten(1), narrow


def pack_into(blocks: torch.Tensor, layout: Layout, weight: torch.Tensor, places: torch.Tensor) -> None:
    """Write rows `[n, in]` of a weight at `places` `[n]` into blocks `[out / 16, block_bytes]` of uint8."""
    numbers, scales = quantised(weight, layout)
    block, lane = places // LANES, places % LANES
    held_scales, held = _parts(blocks, layout)
    held_scales[block, :, lane] = scales
    held[block, :, lane] = numbers.unflatten(1, (-1, 4))


def unpacked(blocks: torch.Tensor, layout: Layout) -> torch.Tensor:
    """The weight `[out, in]` that blocks stand for, float32."""
    scales, numbers = _parts(blocks, layout)
    rows = (numbers.float() - BIAS).transpose(1, 2).flatten(2).flatten(0, 1)
    factors = scales.float().transpose(1, 2).flatten(0, 1)
    return (rows.unflatten(1, (layout.groups, layout.group)) * factors[:, :, None]).flatten(1)


def _parts(blocks: torch.Tensor, layout: Layout) -> tuple[torch.Tensor, torch.Tensor]:
    """Scales `[blocks, groups, 16]` and numbers `[blocks, in / 4, 16, 4]`, both in place."""
    scales = blocks[:, : layout.groups * LANES * 2].view(torch.bfloat16).unflatten(1, (layout.groups, LANES))
    return scales, blocks[:, layout.scale_bytes :].unflatten(1, (layout.into // 4, LANES, 4))


def write_row(code: Code, layout: Layout, block, lane, goal) -> None:
    """Write code that unpacks one row of a block to float32 at `goal`."""
    b = code.b
    with code.loop(0, layout.groups) as group:
        place = code.at(block, code.times(group, LANES * 2), code.times(lane, 2))
        scale = b.shl(b.zext(code.load(place, code.integers(1, 16), 2), code.i32), code.ir.Constant(code.i32, 16))
        scale = b.bitcast(scale, code.f32)
        first = code.times(group, layout.group // 4)
        with code.loop(first, code.add(first, layout.group // 4)) as quad:
            word = code.load(
                code.at(block, layout.scale_bytes, code.times(quad, LANES * 4), code.times(lane, 4)), code.i32
            )
            for i in range(4):
                byte = b.and_(b.lshr(word, code.ir.Constant(code.i32, 8 * i)), code.ir.Constant(code.i32, 255))
                value = b.sitofp(b.sub(byte, code.ir.Constant(code.i32, BIAS)), code.f32)
                code.store(b.fmul(value, scale), code.at(goal, code.times(quad, 16), 4 * i))


@functools.cache
def compiled_quantiser(into: int) -> str:
    """Compile a function of (x, scratch, rows), all 64-bit, that quantises float32 rows `[rows, into]`; its name.

    The scratch then holds int8 `[rows, into]`, float32 scales `[rows, groups]`, and int32 starts `[rows, groups]`.
    """
    from llvmlite import ir

    layout = Layout(into, 1, "int8")
    name = f"quantise_{into}"
    module = ir.Module(name)
    code = Code(module, name, ["i"] * 3)
    b = code.b
    x, scratch = (b.inttoptr(v, code.pointer) for v in code.arguments[:2])
    rows = code.arguments[2]
    vector, whole = code.floats(LANES), code.integers(LANES)
    parts = range(layout.group // LANES)
    largest = code.external(f"llvm.vector.reduce.fmax.v{LANES}f32", code.f32, [vector])
    summed = code.external(f"llvm.vector.reduce.add.v{LANES}i32", code.i32, [whole])
    with code.loop(0, rows) as row, code.loop(0, layout.groups) as group:
        at = code.add(code.times(row, into), code.times(group, layout.group))
        values = [code.load(code.at(x, code.times(at, 4), 4 * LANES * i), vector) for i in parts]
        sizes = [code.call_float("fabs", value) for value in values]
        for size in sizes[1:]:
            sizes[0] = code.call_float("maxnum", sizes[0], size)
        most = b.call(largest, [sizes[0]])
        is_nothing = b.fcmp_ordered("==", most, code.number(0.0))
        inverse = code.spread(b.select(is_nothing, code.number(0.0), b.fdiv(code.number(_MOST), most)), LANES)
        total = code.ir.Constant(whole, [0] * LANES)
        for i, value in enumerate(values):
            number = b.fptosi(code.call_float("rint", b.fmul(value, inverse)), whole)
            total = b.add(total, number)
            code.store(b.trunc(number, code.integers(LANES, 8)), code.at(scratch, at, LANES * i), 1)
        start = b.mul(b.call(summed, [total]), code.ir.Constant(code.i32, -fours(code).offset))
        scales = code.at(scratch, code.times(rows, into))
        at = code.times(code.add(code.times(row, layout.groups), group), 4)
        code.store(b.fdiv(most, code.number(_MOST)), code.at(scales, at))
        code.store(start, code.at(scales, code.times(rows, layout.groups * 4), at))
    b.ret_void()
    jit.compile_module(module)
    return name


def multiply(code: Code, layout: Layout, starts: list, x, first_row, padded, rows: int, sums: list, fetch) -> list:
    """Write code that adds the products of quantised rows with some blocks to the sums, one vector per (row, block).

    Args:
        starts: the blocks' places.
        x: what the quantiser has written for `padded` rows.
        first_row: of the tile of `rows` rows.
        fetch: called with the place of weights about to be read.
    """
    b, into, size, groups = code.b, layout.into, layout.group, layout.groups
    whole, dots = code.integers(LANES), fours(code)
    turn = min(size, 4 * dots.at_once)
    tile_x = code.at(x, code.times(first_row, into))
    scales = code.at(x, code.times(padded, into), code.times(first_row, groups * 4))
    begins = code.at(scales, code.times(padded, groups * 4))

    def body(group, sums):
        sums = list(sums)
        factors = []
        for start in starts:
            scale = code.load(code.at(start, code.times(group, LANES * 2)), code.integers(LANES, 16), 2)
            scale = b.shl(b.zext(scale, whole), code.ir.Constant(whole, [16] * LANES))
            factors.append(b.bitcast(scale, code.floats(LANES)))
        totals = []
        for r in range(rows):
            begin = code.load(code.at(begins, code.times(group, 4), 4 * r * groups), code.i32)
            totals += [dots.nothing(begin)] * len(starts)
        along = code.add(layout.scale_bytes, code.times(group, size * LANES))

        def add_fours(u, held):
            held = list(held)
            for step in range(0, turn, 4):
                places = [code.at(start, along, code.times(u, LANES), step * LANES) for start in starts]
                for place in places:
                    fetch(place)
                weights = [dots.weights(code.load(place, whole)) for place in places]
                for r in range(rows):
                    place = code.at(tile_x, code.times(group, size), u, r * into + step)
                    four = dots.row(code.load(place, code.i32))
                    for i, weight in enumerate(weights):
                        at = r * len(starts) + i
                        held[at] = dots.add(weight, four, held[at])
            return held

        totals = code.fold(0, size, turn, totals, add_fours)
        for r in range(rows):
            scale = code.spread(code.load(code.at(scales, code.times(group, 4), 4 * r * groups), code.f32), LANES)
            for i, factor in enumerate(factors):
                at = r * len(starts) + i
                total = b.sitofp(totals[at], code.floats(LANES))
                sums[at] = code.call_float("fma", total, b.fmul(factor, scale), sums[at])
        return sums

    return code.fold(0, groups, 1, sums, body)
