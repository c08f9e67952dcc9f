"""A decoder layer as one compiled call.

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
from s3d_core.kernels.jit import LANES
from s3d_core.kernels.layout import Layout, low_kind
from s3d_core.kernels.skinny import compiled_product
from s3d_core.kernels.steps import gate_up, gather, turn_heads
from s3d_core.kernels.worker import ARGUMENTS, LINEARS, Shape, Worker


def _before(worker: Worker, narrow: bool = False) -> None:
    """Norm, query/key/value (queries as bfloat16 where `narrow`), rotary embedding, K/V into the cache."""
    shape = worker.shape
    worker.norm("attention_norm")
    bias = worker.weight("qkv_bias") if shape.biased else 0
    worker.product("qkv", "normed", shape.hidden, "wide", shape.projected, bias, 0, LANES * 4 if shape.biased else 0)
    turn_heads(worker, narrow)


def _behind(worker: Worker) -> None:
    """Output projection, residual, norm, feed-forward, residual."""
    shape = worker.shape
    residual = (worker.size("x"), shape.hidden * 4, LANES * 4)
    worker.product("o", "normed", shape.attended, "x", shape.hidden, *residual)
    worker.norm("mlp_norm")
    gate_up(worker)
    worker.product("down", "active", shape.intermediate, "x", shape.hidden, *residual)


@functools.cache
def compiled_layer(shape: Shape):
    """A whole layer: a function of (layer, pass, keys, values, mask, threads), the addresses of what
    `LAYER` and `PASS` list, of the cache, and of an additive mask `[rows, masked]`."""
    before = functools.partial(_before, narrow=shape.paired)
    return _compile({"layer": (before, attend, _behind)}, shape)[0]


@functools.cache
def compiled_halves(shape: Shape):
    """The functions before and behind torch's attention: of (layer, pass, keys, values, 0, threads) and of
    (layer, pass, attended, 0, 0, threads)."""
    return _compile({"before": (_before,), "behind": (gather, _behind)}, shape)


@functools.cache
def compiled_head(shape: Shape, vocabulary: int):
    """The final norm and an output head: a function of (layer, pass, 0, 0, 0, threads).

    The norm is `attention_norm` of the layer's table and the head its `qkv`; the logits
    `[tiles * height, vocabulary]` go to `wide`.
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
            jit.address(compiled_product(_low(shape, into), height, 0, narrow=shape.kind == "dots")),
            product(shape, out, into, height, shape.rank),
        )
    return found


def product(shape: Shape, out: int, into: int, height: int, rank: int = 0) -> int:
    """Address of the product with a weight `[out, into]`, for tiles of a height."""
    return jit.address(compiled_product(Layout.of(out, into, shape.kind), height, rank))


def _low(shape: Shape, into: int) -> Layout:
    """The layout of the first half of a low-rank update."""
    return Layout.of(shape.rank, into, low_kind(shape.kind))


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
