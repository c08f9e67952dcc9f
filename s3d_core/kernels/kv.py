"""K/V caches of bfloat16 for compiled layers, whose activations are float32: half of what there is to hold and read."""

import ctypes
import functools

import torch

from s3d_core.cache import Cache
from s3d_core.kernels import jit, pairs
from s3d_core.kernels.jit import LANES, Code


class NarrowCache(Cache):
    """Keys and values rounded to bfloat16, each layer's as `[kv_heads, capacity, head_dim]`."""

    def __init__(self, layers: int, kv_heads: int, head_dim: int, most: int | None = None):
        super().__init__(layers, kv_heads, head_dim, torch.bfloat16, torch.device("cpu"), most)

    def read(self, layer: int, end: int) -> tuple[torch.Tensor, torch.Tensor]:
        keys, values = super().read(layer, end)
        return keys.float(), values.float()


class PairedCache(Cache):
    """For attention by dot products (see `pairs`).

    Keys and values rounded to bfloat16, each layer's as `[kv_heads, capacity, head_dim]` numbers in another order.

    Of keys `[kv_heads, capacity / 16, head_dim / 2, 16, 2]`: tiles of 16 slots, dimensions in pairs. Of values
    `[kv_heads, capacity / 2, head_dim, 2]`: slots in pairs, the later one first.
    """

    def __init__(self, layers: int, kv_heads: int, head_dim: int, most: int | None = None):
        # Attention multiplies hidden slots by 0, so what was never written must be a number.
        super().__init__(layers, kv_heads, head_dim, torch.bfloat16, torch.device("cpu"), most, blank=True)

    def write(self, layer: int, start: int, key: torch.Tensor, value: torch.Tensor):
        end = start + key.shape[1]
        slots = torch.arange(start, end)
        keys, values = _tiles(self.keys[layer]), _pairs(self.values[layer])
        # Indexed dimensions with one between them come first.
        keys[:, slots // LANES, :, slots % LANES] = key.bfloat16().unflatten(-1, (-1, 2)).transpose(0, 1)
        values[:, slots // 2, :, 1 - slots % 2] = value.bfloat16().transpose(0, 1)
        return self.read(layer, end)

    def read(self, layer: int, end: int) -> tuple[torch.Tensor, torch.Tensor]:
        rounded = -(-end // LANES) * LANES
        keys, values = _tiles(self.keys[layer][:, :rounded]), _pairs(self.values[layer][:, :rounded])
        keys = keys.transpose(2, 3).float().flatten(3).flatten(1, 2)
        values = values.float().flip(-1).transpose(2, 3).flatten(1, 2)
        return keys[:, :end], values[:, :end]

    def _move(self, slots: list[int], first: int) -> None:
        source = (ctypes.c_int64 * len(slots))(*slots)
        move = _compiled_move(self._blocks[0].shape[-1])
        for block in self._blocks:
            heads = block.shape[1] * block.shape[2]
            move(block[0].data_ptr(), block[1].data_ptr(), heads, block.stride(2) * 2, source, len(slots), first)


def _tiles(keys: torch.Tensor) -> torch.Tensor:
    """Keys as `[kv_heads, slots / 16, head_dim / 2, 16, 2]`."""
    return keys.unflatten(1, (-1, LANES)).flatten(2).unflatten(2, (keys.shape[2] // 2, LANES, 2))


def _pairs(values: torch.Tensor) -> torch.Tensor:
    """Values as `[kv_heads, slots / 2, head_dim, 2]`."""
    return values.unflatten(1, (-1, 2)).flatten(2).unflatten(2, (values.shape[2], 2))


@functools.cache
def _compiled_move(dim: int):
    """A C function of (keys, values, heads, bytes from one head to the next, slots, count, first): it moves the K/V of
    ascending slots to those from `first` on, no later than they are."""
    from llvmlite import ir

    name = f"move_pairs_{dim}"
    module = ir.Module(name)
    code = Code(module, name, ["p", "p", "i", "i", "p", "i", "i"])
    keys, values, heads, stride, slots, count, first = code.arguments
    short = code.integers(1, 16)
    with code.loop(0, heads) as head, code.loop(0, count) as number:
        goal, source = code.add(first, number), code.load(code.at(slots, code.times(number, 8)), code.i64, 8)
        key, value = (code.at(place, code.times(head, stride)) for place in (keys, values))
        to, of = (pairs.key_place(code, key, slot, dim) for slot in (goal, source))
        with code.loop(0, dim // 2) as pair:
            step = code.times(pair, LANES * 4)
            code.store(code.load(code.at(of, step), code.i32), code.at(to, step))
        to, of = (pairs.value_place(code, value, slot, dim) for slot in (goal, source))
        with code.loop(0, dim) as d:
            step = code.times(d, 4)
            code.store(code.load(code.at(of, step), short, 2), code.at(to, step), 2)
    code.b.ret_void()
    jit.compile_module(module)
    integer, pointer = ctypes.c_int64, ctypes.c_void_p
    kinds = [pointer, pointer, integer, integer, pointer, integer, integer]
    return ctypes.CFUNCTYPE(None, *kinds)(jit.address(name))
