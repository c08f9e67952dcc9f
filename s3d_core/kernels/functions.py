"""A decoder layer as one compiled function, and all layers of a pass as one call.

Between the large products of a layer lie a dozen small operations (norms, rotary embedding, cache
writes, attention, activation, residuals). For a few rows each costs next to nothing to compute and,
as a call of its own, several microseconds to ask for: a third of a decoding step. Here a layer is
one function on torch's threads, low-rank updates included. For many rows, where torch's attention
is the faster one, the half before it and the half behind it are a function each.
"""

import ctypes
import functools

from s3d_core.kernels import jit
from s3d_core.kernels.attention import attend
from s3d_core.kernels.jit import LANES, Code
from s3d_core.kernels.layout import Layout
from s3d_core.kernels.skinny import compiled_product
from s3d_core.kernels.steps import gate_up, gather, turn_heads
from s3d_core.kernels.worker import ARGUMENTS, LINEARS, Shape, Worker


def _before(worker: Worker, narrow: bool = False) -> None:
    """Norm, query/key/value (queries as bfloat16 where `narrow`), rotary embedding, K/V into the cache."""
    shape = worker.shape
    worker.norm("attention_norm")
    bias = (worker.weight("qkv_bias"), 0, LANES * 4) if shape.biased else (0, 0, 0)
    behind = worker.begin(worker.weight("o"), shape.hidden, shape.attended)
    worker.product("qkv", "normed", shape.hidden, "wide", shape.projected, bias, behind)
    turn_heads(worker, narrow)


def _behind(worker: Worker, is_followed: bool = False) -> None:
    """Output projection, residual, norm, feed-forward, residual; `is_followed`: in a stack, by another layer."""
    shape = worker.shape
    residual = (worker.size("x"), shape.hidden * 4, LANES * 4)
    behind = worker.begin(worker.weight("gate_up"), shape.intermediate, shape.hidden)
    worker.product("o", "normed", shape.attended, "x", shape.hidden, residual, behind)
    worker.norm("mlp_norm")
    gate_up(worker)
    behind = worker.begin(worker.next_weight("qkv"), shape.projected, shape.hidden) if is_followed else (0, 0)
    worker.product("down", "active", shape.intermediate, "x", shape.hidden, residual, behind)


@functools.cache
def compiled_layer(shape: Shape) -> int:
    """A whole layer, for `compiled_stack`: the address of what a thread runs, given (layer, pass, keys, values, mask,
    masked): the addresses of what `LAYER` and `PASS` list, of the cache, and of an additive mask `[rows, masked]`."""
    before = functools.partial(_before, narrow=shape.kv == "pairs")
    _compile({"layer": (before, attend, functools.partial(_behind, is_followed=True))}, shape)
    return jit.address(f"layer_{shape.name}_worker")


@functools.cache
def compiled_stack():
    """Layers one after the other on one team: a function of (lines, count, threads).

    A line is a layer's address and what the layer is given, as `1 + ARGUMENTS` 64-bit numbers; behind the last one
    comes another, whose layer is not run but may be asked for. Starting a team for every layer, and asking for it from
    Python, would take as long as some of the layers do.
    """
    from llvmlite import ir

    name = "layer_stack"
    module = ir.Module(name)
    code = Code(module, name + "_worker", ["p"], internal=True)
    lines, count = (code.load(code.at(code.arguments[0], 8 * i), code.i64) for i in range(2))
    layer = ir.FunctionType(ir.VoidType(), [code.pointer]).as_pointer()
    # Every layer ends with a barrier.
    with code.loop(0, count) as number:
        line = code.at(code.b.inttoptr(lines, code.pointer), code.times(number, 8 * (1 + ARGUMENTS)))
        code.b.call(code.b.inttoptr(code.load(line, code.i64), layer), [code.at(line, 8)])
    code.b.ret_void()
    jit.parallel_entry(module, code, name, 2)
    jit.compile_module(module)
    return ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64, ctypes.c_int32)(jit.address(name))


@functools.cache
def compiled_halves(shape: Shape):
    """The functions before and behind torch's attention: of (layer, pass, keys, values, 0, 0, threads) and of
    (layer, pass, attended, 0, 0, 0, threads)."""
    return _compile({"before": (_before,), "behind": (gather, _behind)}, shape)


@functools.cache
def compiled_head(shape: Shape, vocabulary: int):
    """The final norm and an output head: a function of (layer, pass, 0, 0, 0, 0, threads).

    The norm is `attention_norm` of the layer's table and the head its `qkv`; the logits
    `[padded, vocabulary]` go to `wide`.
    """

    def run(worker: Worker) -> None:
        worker.norm("attention_norm")
        worker.product("qkv", "normed", shape.hidden, "wide", vocabulary)

    return _compile({f"head{vocabulary}": (run,)}, shape)[0]


@functools.cache
def products(shape: Shape, height: int) -> list[int]:
    """Addresses of what `PRODUCTS` lists, for tiles of a height; without updates only the stock layer's."""
    sizes = {
        "qkv": (shape.projected, shape.hidden),
        "o": (shape.hidden, shape.attended),
        "gate_up": (shape.intermediate, shape.hidden),  # gate and up one after the other
        "down": (shape.hidden, shape.intermediate),
    }
    found = [product(shape, *sizes[name], height) for name in LINEARS]
    for out, into in sizes.values() if shape.rank else ():
        found += (
            jit.address(compiled_product(Layout.first_half(into, shape.kind), height, 0, narrow=shape.kind == "dots")),
            product(shape, out, into, height, shape.rank),
        )
    return found


@functools.cache
def product(shape: Shape, out: int, into: int, height: int, rank: int = 0) -> int:
    """Address of the product with a weight `[out, into]`, for tiles of a height."""
    return jit.address(compiled_product(Layout.of(out, into, shape.kind), height, rank))


def _compile(parts: dict, shape: Shape) -> tuple:
    from llvmlite import ir

    module = ir.Module(f"{'_'.join(parts)}_{shape.name}")
    for part, steps in parts.items():
        worker = Worker(module, f"{part}_{shape.name}_worker", shape)
        for step in steps:
            step(worker)
        worker.finish(module, f"{part}_{shape.name}")
    jit.compile_module(module)
    prototype = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * ARGUMENTS, ctypes.c_int32)
    return tuple(prototype(jit.address(f"{part}_{shape.name}")) for part in parts)
