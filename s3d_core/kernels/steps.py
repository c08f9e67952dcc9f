"""The small steps of a decoder layer between its products, each written into a worker."""

import math

from s3d_core.kernels import pairs
from s3d_core.kernels.exponential import exp
from s3d_core.kernels.jit import LANES
from s3d_core.kernels.layout import Layout
from s3d_core.kernels.skinny import call_product
from s3d_core.kernels.worker import Worker


def turn_heads(worker: Worker, narrow: bool) -> None:
    """Rotate queries and keys (normed first where the model does) and put them and the values in their places.

    Args:
        narrow: queries as bfloat16, for attention over pairs.
    """
    code, shape = worker.code, worker.shape
    dim, half = shape.head_dim, shape.rotary // 2
    keys, values = (worker.place(v) for v in worker.task[2:4])
    wide, query, cos, sin = (worker.place(worker.size(name)) for name in ("wide", "query", "cos", "sin"))
    start, head_stride = worker.size("start"), worker.size("head_stride")
    width = math.gcd(half, LANES) if half else 1
    rest = math.gcd(dim - shape.rotary, LANES) if shape.rotary < dim else 1
    lanes = math.gcd(dim, LANES)
    paired, size = shape.kv == "pairs", worker.kv_bytes

    def turned(row, source, norm, put):
        """Give the parts of a turned head to `put(value, first dimension)`."""
        scale, factors = None, None
        if norm is not None:
            squares = code.number(0.0, lanes)
            for d in range(0, dim, lanes):
                value = code.load(code.at(source, 4 * d), code.floats(lanes))
                squares = code.call_float("fma", value, value, squares)
            scale, factors = worker.inverse_root(squares, dim), worker.place(worker.weight(norm))

        def part(d, lanes):
            held = code.load(code.at(source, 4 * d), code.floats(lanes))
            if scale is None:
                return held
            held = code.b.fmul(held, code.spread(scale, lanes))
            return code.b.fmul(held, code.load(code.at(factors, 4 * d), code.floats(lanes)))

        angle = code.times(row, shape.rotary * 4)
        for d in range(0, half, width):
            c, s = (code.load(code.at(p, angle, 4 * d), code.floats(width)) for p in (cos, sin))
            one, other = part(d, width), part(d + half, width)
            minus = code.b.fneg(code.b.fmul(other, s))
            put(code.call_float("fma", one, c, minus), d)
            put(code.call_float("fma", other, c, code.b.fmul(one, s)), d + half)
        for d in range(shape.rotary, dim, rest):
            put(part(d, rest), d)

    def source_of(row, head):
        return code.at(wide, code.times(row, shape.projected * 4), code.times(head, dim * 4))

    def put_query(row, head):
        goal = code.times(code.add(code.times(head, worker.rows), row), dim * (2 if narrow else 4))
        norm = "query_norm" if shape.normed_heads else None

        def put(value, d):
            place = code.at(query, goal, (2 if narrow else 4) * d)
            code.store(code.narrow(value) if narrow else value, place, 2 if narrow else 4)

        turned(row, source_of(row, head), norm, put)

    def put_key(row, head):
        slot, goal = code.add(start, row), code.at(keys, code.times(head, head_stride))
        norm = "key_norm" if shape.normed_heads else None
        place = pairs.key_place(code, goal, slot, dim) if paired else code.at(goal, code.times(slot, dim * size))

        def put(value, d):
            if paired:
                pairs.put_key(code, value, place, d)
            else:
                worker.kv_store(value, code.at(place, size * d))

        turned(row, source_of(row, code.add(head, shape.heads)), norm, put)

    def put_value(row, head):
        slot, goal = code.add(start, row), code.at(values, code.times(head, head_stride))
        source = source_of(row, code.add(head, shape.heads + shape.kv_heads))
        place = pairs.value_place(code, goal, slot, dim) if paired else code.at(goal, code.times(slot, dim * size))
        for d in range(0, dim, lanes):
            value = code.load(code.at(source, 4 * d), code.floats(lanes))
            if paired:
                pairs.put_value(code, value, place, d)
            else:
                worker.kv_store(value, code.at(place, size * d))

    with code.loop(worker.thread, worker.rows, worker.team) as row, code.loop(0, shape.heads) as head:
        put_query(row, head)
    # Slots side by side share lines of the processor's cache, which two threads had better not write in turn.
    with code.loop(worker.thread, shape.kv_heads, worker.team) as head, code.loop(0, worker.rows) as row:
        put_key(row, head)
    last = code.b.sub(code.add(worker.team, -1), worker.thread)
    with code.loop(last, shape.kv_heads, worker.team) as head, code.loop(0, worker.rows) as row:
        put_value(row, head)


def gather(worker: Worker) -> None:
    """Bring the attention's output `[.., head, row, dim]` into rows, in `normed`."""
    code, shape = worker.code, worker.shape
    attended, goal = worker.place(worker.task[2]), worker.place(worker.size("normed"))
    head_step, row_step = worker.size("attended_head"), worker.size("attended_row")
    group, dim = shape.heads // shape.kv_heads, shape.head_dim
    lanes = math.gcd(dim, LANES)
    with code.loop(worker.thread, worker.rows, worker.team) as row, code.loop(0, shape.kv_heads) as head:
        for g in range(group):
            folded = code.times(code.add(code.times(worker.rows, g), row), row_step)
            source = code.at(attended, code.times(head, head_step), folded)
            column = code.times(code.add(code.times(head, group), g), dim * worker.unit)
            place = code.at(goal, code.times(row, shape.attended * worker.unit), column)
            for d in range(0, dim, lanes):
                worker.put(code.load(code.at(source, 4 * d), code.floats(lanes)), code.at(place, worker.unit * d))
    code.barrier()


def gate_up(worker: Worker) -> None:
    """`active = silu(gate) * up`; a thread computes the same columns of both, so it need not wait for the others."""
    code, width, hidden = worker.code, worker.shape.intermediate, worker.shape.hidden
    layout = Layout.of(width, hidden, worker.shape.kind)
    low, low_x = worker.lower("gate_up", "normed", hidden)
    panels, first, end = worker.split(layout, width)
    blocks, rows = width // LANES, worker.rows_of("normed", hidden)
    for half in range(2):
        weight = code.add(worker.weight("gate_up"), half * blocks * layout.block_bytes)
        narrow = code.add(low, half * blocks * layout.low(worker.shape.rank).block_bytes) if worker.shape.rank else 0
        goal = code.add(worker.size("wide"), code.times(worker.padded, half * width * 4))
        up = code.add(worker.weight("gate_up"), blocks * layout.block_bytes)
        behind = worker.begin(worker.weight("down"), hidden, width) if half else worker.begin(up, width, hidden)
        sizes = weight, rows, goal, panels, first, end, worker.padded, narrow, low_x, 0, 0, 0
        call_product(code, worker.linear("gate_up"), *sizes, *behind)
    wide, active = worker.place(worker.size("wide")), worker.place(worker.size("active"))
    up = code.times(worker.padded, width * 4)
    with code.loop(0, worker.padded) as row, code.loop(first, end) as panel:
        for i in range(layout.width):
            column = code.times(code.add(panel, panels * i), LANES)
            at = code.add(code.times(row, width), column)
            source = code.at(wide, code.times(at, 4))
            gate = code.load(source, code.floats(LANES))
            down = code.b.fadd(code.number(1.0, LANES), exp(code, code.b.fneg(gate)))
            result = code.b.fmul(code.b.fdiv(gate, down), code.load(code.at(source, up), code.floats(LANES)))
            worker.put(result, code.at(active, code.times(at, worker.unit)))
    code.barrier()
