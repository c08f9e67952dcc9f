"""Products of rows and weights that are whole numbers in groups: the rows quantised, and the sums."""

import functools

from s3d_core.kernels import jit
from s3d_core.kernels.eight_bits import EightBits
from s3d_core.kernels.four_bits import FourBits
from s3d_core.kernels.jit import LANES, Code
from s3d_core.kernels.layout import Layout

# Numbers of quantised rows go from -127 to 127.
_MOST = 127.0
# What a quantised row takes beside its numbers: a scale and a start, four bytes each, for every group.
_GROUP_BYTES = 8


def _form(code: Code, layout: Layout) -> EightBits | FourBits:
    return EightBits(code) if layout.kind == "int8" else FourBits(code)


def scratch_bytes(layout: Layout, rows: int) -> int:
    """Bytes that so many quantised rows take."""
    return rows * (layout.into + _GROUP_BYTES * layout.groups)


@functools.cache
def compiled_quantiser(layout: Layout) -> str:
    """Compile a function of (x, scratch, rows), all 64-bit, that quantises float32 rows `[rows, into]` for weights of a
    layout; its name.

    The scratch then holds int8 `[rows, into]`, float32 scales `[rows, groups]`, and starts `[rows, groups]`: with
    `int8` what a group's sum begins at, int32; with `int4` the sum of the group's numbers times their scale, float32.
    """
    from llvmlite import ir

    into = layout.into
    name = f"quantise_{into}_{layout.kind}"
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
        total, scale = b.call(summed, [total]), b.fdiv(most, code.number(_MOST))
        if layout.kind == "int8":
            start = b.mul(total, code.ir.Constant(code.i32, -_form(code, layout).dots.offset))
        else:
            start = b.fmul(b.sitofp(total, code.f32), scale)
        scales = code.at(scratch, code.times(rows, into))
        at = code.times(code.add(code.times(row, layout.groups), group), 4)
        code.store(scale, code.at(scales, at))
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
        fetch: `fetch(block, offset, first, together)` asks for weights that will be needed later, when those at an
            offset of a block are read for the lanes from `first` on; `together`: as all lanes are, in turn.
    """
    form = _form(code, layout)
    lanes = form.dots.lanes
    tile_x = code.at(x, code.times(first_row, layout.into))
    scales = code.at(x, code.times(padded, layout.into), code.times(first_row, layout.groups * 4))
    held = tile_x, scales, code.at(scales, code.times(padded, layout.groups * 4))
    firsts = range(0, LANES, lanes)
    parts = [(start, first) for start in starts for first in firsts]
    if len(firsts) == 1:
        return _parts(code, layout, form, parts, held, rows, sums, fetch)
    halves = [code.part(total, first, lanes) for total in sums for first in firsts]
    if rows == 1:
        halves = _parts(code, layout, form, parts, held, rows, halves, fetch)
    else:
        # One part after the other: together their sums would take more registers than there are.
        for i, part in enumerate(parts):
            mine = slice(i, None, len(parts))
            halves[mine] = _parts(code, layout, form, [part], held, rows, halves[mine], fetch)
    return [code.joined(one, other) for one, other in zip(halves[::2], halves[1::2], strict=True)]


def _parts(code: Code, layout: Layout, form, parts: list, held, rows: int, sums: list, fetch) -> list:
    """The same for parts of blocks: (block, first of the lanes). `held` are the rows' numbers, scales and starts."""
    b, dots, size, groups = code.b, form.dots, layout.group, layout.groups
    tile_x, scales, begins = held
    words, floats = code.integers(dots.lanes), code.floats(dots.lanes)
    turn = min(size, max(form.inputs, 4 * dots.at_once))
    is_int8 = layout.kind == "int8"

    def of_row(place, group, r):
        return code.at(place, code.times(group, 4), 4 * r * groups)

    def body(group, sums):
        sums = list(sums)
        factors = [form.factors(layout, start, group, first) for start, first in parts]
        totals = []
        for r in range(rows):
            begin = code.load(of_row(begins, group, r), code.i32) if is_int8 else None
            totals += [dots.nothing(begin)] * len(parts)
        numbers = form.numbers(layout, group)

        def add_fours(u, totals):
            totals = list(totals)
            for step in range(0, turn, form.inputs):
                # A byte holds one input's weight, or two inputs'.
                along = code.add(code.times(u, LANES * 4 // form.inputs), step * LANES * 4 // form.inputs)
                along = code.add(numbers, along)
                for start, first in parts:
                    fetch(start, along, first, len(parts) > 1)
                weights = [form.fours(code.load(code.at(start, along, 4 * first), words)) for start, first in parts]
                for four in range(form.inputs // 4):
                    for r in range(rows):
                        along = code.add(code.times(group, size), u, r * layout.into + step + 4 * four)
                        row = dots.row(code.load(code.at(tile_x, along), code.i32))
                        for i, weight in enumerate(weights):
                            at = r * len(parts) + i
                            totals[at] = dots.add(weight[four], row, totals[at])
            return totals

        totals = code.fold(0, size, turn, totals, add_fours)
        for r in range(rows):
            scale = code.spread(code.load(of_row(scales, group, r), code.f32), dots.lanes)
            for i, (factor, least) in enumerate(factors):
                at = r * len(parts) + i
                total = b.sitofp(dots.whole(totals[at]), floats)
                sums[at] = code.call_float("fma", total, b.fmul(factor, scale), sums[at])
                if least is not None:
                    start = code.spread(code.load(of_row(begins, group, r), code.f32), dots.lanes)
                    sums[at] = code.call_float("fma", least, start, sums[at])
        return sums

    return code.fold(0, groups, 1, sums, body)
