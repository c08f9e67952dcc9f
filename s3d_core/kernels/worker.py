"""What a compiled function of a decoder layer is made of: its tables, its shape, and the worker that writes it."""

import hashlib
import math
from dataclasses import astuple, dataclass
from typing import Literal

from s3d_core.kernels import jit
from s3d_core.kernels.jit import LANES, Code
from s3d_core.kernels.layout import Kind, Layout
from s3d_core.kernels.skinny import call_product, call_quantiser

LAYER = (
    "attention_norm", "qkv", "qkv_bias", "query_norm", "key_norm", "o", "mlp_norm", "gate_up", "down",
    "qkv.a", "qkv.b", "o.a", "o.b", "gate_up.a", "gate_up.b", "down.a", "down.b",
)  # fmt: skip
LINEARS = ("qkv", "o", "gate_up", "down")
# Those of the stock layer, then the halves of an update: its first alone, its second with the linear it is added to.
PRODUCTS = (*LINEARS, *(f"{name}.{half}" for name in LINEARS for half in "ab"))
PASS = (
    "x", "normed", "low", "wide", "active", "query", "scores", "cos", "sin", "rows", "padded", "start",
    "head_stride", "score_stride", "quants", "quants_stride", "attended_head", "attended_row",
    *(f"{p} product" for p in PRODUCTS),
)  # fmt: skip
"""What the functions read of a layer and of a pass, as 64-bit addresses and sizes, in this order.

`x` `[padded, hidden]` is the residual stream; `normed`, `low`, `wide`, `active` are scratch of
that many rows, of which `normed`, `low` and `active` are multiplied and so bfloat16 where products want
that (`layout.Kind`); `query` `[heads, rows, head_dim]`, bfloat16 where attention is over pairs
(`pairs`); `scores` `[threads, rows, heads / kv_heads, slots]` with `score_stride` bytes a line, of the rows that
a thread is at; `cos`, `sin`
`[rows, rotary]`. `start` is the first cache slot to write, `head_stride` the bytes from one head's keys
to the next's. `attended_head` and `attended_row` are the bytes from one key head, and from one of its
rows, to the next in the output of torch's attention. `quants` is room for quantised rows,
`quants_stride` bytes a thread. `... product` is a compiled product for tiles of this height.
"""


KV = Literal["f32", "bf16", "pairs"]
"""How keys and values are held: as `[kv_heads, slots, head_dim]` numbers, or as pairs of bfloat16 (see `pairs`)."""


@dataclass(frozen=True)
class Shape:
    """What the functions of a model's layers are compiled for.

    Attributes:
        rotary: leading part of each head that is turned; 0 for a layer without rotary embedding.
        rank: rank of the low-rank updates, a multiple of 16, or 0 for the stock layer.
        normed_heads: queries and keys have norms of their own.
        kind: how weights are multiplied (see `layout.Kind`).
        kv: how keys and values are held.
    """

    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    intermediate: int
    rotary: int
    eps: float
    biased: bool
    normed_heads: bool
    kind: Kind
    kv: KV
    rank: int

    @property
    def name(self) -> str:
        """Short and the same for equal shapes, for the functions' names."""
        return hashlib.sha256(repr(astuple(self)).encode()).hexdigest()[:16]

    @property
    def attended(self) -> int:
        """Width of the attention's output."""
        return self.heads * self.head_dim

    @property
    def projected(self) -> int:
        """Width of query, key and value together."""
        return (self.heads + 2 * self.kv_heads) * self.head_dim


# What a compiled function is given: addresses of the tables, then up to three of tensors, and for a layer the number of
# last slots that its mask is for.
ARGUMENTS = 6


class Worker:
    """The code of a layer or half of one: a worker that every thread runs, with barriers between its steps."""

    def __init__(self, module, name: str, shape: Shape):
        self.shape = shape
        self.code = code = Code(module, name, ["p"])
        self.thread, self.team = code.team()
        self.task = [code.load(code.at(code.arguments[0], 8 * i), code.i64) for i in range(ARGUMENTS)]
        self.layer, self.work = (code.b.inttoptr(v, code.pointer) for v in self.task[:2])
        self.padded, self.rows = self.size("padded"), self.size("rows")

    @property
    def kv_bytes(self) -> int:
        """Bytes of a number of keys and values."""
        return 4 if self.shape.kv == "f32" else 2

    def kv_load(self, place, lanes: int):
        """Successive numbers of a key or a value, as float32; not of pairs."""
        code = self.code
        if self.shape.kv == "f32":
            return code.load(place, code.floats(lanes))
        bits = code.b.zext(code.load(place, code.integers(lanes, 16), 2), code.integers(lanes))
        sixteen = code.ir.Constant(bits.type, 16 if lanes == 1 else [16] * lanes)
        return code.b.bitcast(code.b.shl(bits, sixteen), code.floats(lanes))

    def kv_store(self, value, place) -> None:
        """Write float32 numbers of a key or a value; not of pairs."""
        code = self.code
        code.store(value if self.shape.kv == "f32" else code.narrow(value), place, self.kv_bytes)

    def weight(self, name: str):
        """A layer's address, as a size."""
        return self.code.load(self.code.at(self.layer, 8 * LAYER.index(name)), self.code.i64)

    def next_weight(self, name: str):
        """The address of a weight of the layer in the stack's next line, as a size."""
        code = self.code
        table = code.load(code.at(code.arguments[0], 8 * (1 + ARGUMENTS)), code.i64)
        return code.load(code.at(code.b.inttoptr(table, code.pointer), 8 * LAYER.index(name)), code.i64)

    def size(self, name: str):
        """A pass's size or address."""
        return self.code.load(self.code.at(self.work, 8 * PASS.index(name)), self.code.i64)

    def place(self, size):
        """A size as a byte pointer."""
        return self.code.b.inttoptr(size, self.code.pointer)

    @property
    def unit(self) -> int:
        """Bytes of a number that a product will read."""
        return 2 if self.shape.kind == "dots" else 4

    def put(self, value, place) -> None:
        """Store float32 values for a product to read."""
        self.code.store(self.code.narrow(value) if self.shape.kind == "dots" else value, place, self.unit)

    def norm(self, weight: str) -> None:
        """`normed = rms_norm(x)`, the threads taking turns at rows."""
        code, hidden = self.code, self.shape.hidden
        width = math.gcd(hidden, LANES)
        x, normed, scale_by = (
            self.place(self.size("x")),
            self.place(self.size("normed")),
            self.place(self.weight(weight)),
        )
        with code.loop(self.thread, self.padded, self.team) as row:
            source, goal = code.at(x, code.times(row, hidden * 4)), code.at(normed, code.times(row, hidden * self.unit))

            def square(i, sums):
                value = code.load(code.at(source, code.times(i, 4)), code.floats(width))
                return [code.call_float("fma", value, value, sums[0])]

            total = code.fold(0, hidden, width, [code.number(0.0, width)], square)[0]
            scale = code.spread(self.inverse_root(total, hidden), width)
            with code.loop(0, hidden, width) as i:
                value = code.load(code.at(source, code.times(i, 4)), code.floats(width))
                factor = code.load(code.at(scale_by, code.times(i, 4)), code.floats(width))
                value = code.b.fmul(code.b.fmul(value, scale), factor)
                self.put(value, code.at(goal, code.times(i, self.unit)))
        code.barrier()

    def inverse_root(self, squares, count: int):
        """1 / sqrt(mean + eps) of a vector of sums of squares."""
        code = self.code
        mean = code.b.fmul(code.sum_lanes(squares), code.number(1.0 / count))
        root = code.call_float("sqrt", code.b.fadd(mean, code.number(self.shape.eps)))
        return code.b.fdiv(code.number(1.0), root)

    def split(self, layout: Layout, out: int) -> tuple:
        """The panels of a weight, and the first and the end of those of this thread."""
        panels = out // (layout.width * LANES)
        return panels, *self.code.share(self.code.whole(panels), self.thread, self.team)

    def linear(self, name: str):
        """The address of a linear's product."""
        return self.size(f"{name}.b product" if self.shape.rank else f"{name} product")

    def rows_of(self, source: str, into: int):
        """The rows that a product with a weight takes; each thread quantises them for itself, which is soon done."""
        layout = Layout(into, 1, self.shape.kind)
        if not layout.is_grouped:
            return self.size(source)
        scratch = self.code.add(self.size("quants"), self.code.times(self.thread, self.size("quants_stride")))
        return call_quantiser(self.code, layout, self.size(source), scratch, self.padded)

    def lower(self, name: str, source: str, into: int) -> tuple:
        """The first half of a low-rank update, into `low`; what the product with the second half takes, or zeros."""
        code, rank = self.code, self.shape.rank
        if not rank:
            return 0, 0
        layout = Layout.first_half(into, self.shape.kind)
        sizes = (self.weight(name + ".a"), self.size(source), self.size("low"), *self.split(layout, rank), self.padded)
        call_product(code, self.size(f"{name}.a product"), *sizes)
        code.barrier()
        return self.weight(name + ".b"), self.size("low")

    def begin(self, weight, out: int, into: int) -> tuple:
        """Where this thread's share of a linear's weight begins, and the bytes between its streams."""
        layout = Layout.of(out, into, self.shape.kind)
        panels, first, _ = self.split(layout, out)
        step = self.code.times(panels, layout.block_bytes)
        return self.code.add(weight, self.code.times(first, layout.block_bytes)), step

    def product(
        self, name: str, source: str, into: int, goal: str, out: int, base=(0, 0, 0), behind: tuple = (0, 0)
    ) -> None:
        """`goal = base + linear(source)`, with the low-rank update where there is one.

        Args:
            base: what is added, with its row and column steps in bytes.
            behind: the linear that follows, as `begin` gives it.
        """
        low, low_x = self.lower(name, source, into)
        layout = Layout.of(out, into, self.shape.kind)
        sizes = (self.weight(name), self.rows_of(source, into), self.size(goal), *self.split(layout, out), self.padded)
        call_product(self.code, self.linear(name), *sizes, low, low_x, *base, *behind)
        self.code.barrier()

    def finish(self, module, name: str) -> None:
        """Close the worker and write the function that runs it on all threads."""
        self.code.b.ret_void()
        jit.parallel_entry(module, self.code, name, ARGUMENTS)
