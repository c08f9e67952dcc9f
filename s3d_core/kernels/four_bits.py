"""Weights as whole numbers of four bits, multiplied with rows of eight bits four by four (see `fours`).

The arithmetic of GGUF's format Q4_1: 32 successive inputs share a scale and a least value, both in half precision, and
a weight is one of the 16 values from the least one on, a scale apart. Such a file's weights come back as they were but
for the rounding on the way. A block's group is `[2, 16]` half-precision numbers, scales and least values, then
`[4, 16, 4]` bytes: of eight inputs, the first four in the lower halves.
"""

import torch

from s3d_core.kernels.fours import MOST_NIBBLES, Fours, nibbles
from s3d_core.kernels.jit import LANES, Code
from s3d_core.kernels.layout import Layout

_MOST = 15
# Bytes of a group: of its scales and least values, and in all.
_SCALES = 2 * LANES * 2
GROUP = MOST_NIBBLES
_BYTES = _SCALES + GROUP * LANES // 2


def quantised(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Weights `[out, in]` as uint8 `[out, in]` up to 15, and scales and least values `[out, groups, 2]` in float16."""
    grouped = weight.float().unflatten(1, (-1, GROUP))
    least = grouped.amin(dim=2).half()
    scale = ((grouped.amax(dim=2) - grouped.amin(dim=2)) / _MOST).half()
    steps = (grouped - least.float()[:, :, None]) / scale.float().clamp(min=torch.finfo(torch.float32).tiny)[:, :, None]
    return steps.round().clamp(0, _MOST).to(torch.uint8).flatten(1), torch.stack([scale, least], dim=2)


def pack_into(blocks: torch.Tensor, weight: torch.Tensor, places: torch.Tensor) -> None:
    """Write rows `[n, in]` of a weight at `places` `[n]` into blocks `[out / 16, block_bytes]` of uint8."""
    numbers, scales = quantised(weight)
    block, lane = places // LANES, places % LANES
    held_scales, held = _parts(blocks)
    held_scales[block, :, :, lane] = scales
    first, second = numbers.unflatten(1, (-1, GROUP // 8, 2, 4)).unbind(3)
    held[block, :, :, lane] = first | (second << 4)


def unpacked(blocks: torch.Tensor) -> torch.Tensor:
    """The weight `[out, in]` that blocks stand for, float32."""
    scales, numbers = _parts(blocks)
    # [blocks, groups, 4, 2, 16, 4] to [blocks, 16, groups, 4, 2, 4]
    steps = torch.stack([numbers & 15, numbers >> 4], dim=3).permute(0, 4, 1, 2, 3, 5).flatten(3).float()
    scale, least = scales.float().permute(2, 0, 3, 1)[..., None]
    return (least + steps * scale).flatten(2).flatten(0, 1)


def _parts(blocks: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Scales and least values `[blocks, groups, 2, 16]` and numbers `[blocks, groups, 4, 16, 4]`, both in place."""
    groups = blocks.unflatten(1, (-1, _BYTES))
    scales = groups[:, :, :_SCALES].view(torch.float16).unflatten(2, (2, LANES))
    return scales, groups[:, :, _SCALES:].unflatten(2, (GROUP // 8, LANES, 4))


def write_row(code: Code, layout: Layout, block, lane, goal) -> None:
    """Write code that unpacks one row of a block to float32 at `goal`."""
    b = code.b
    with code.loop(0, layout.groups) as group:
        start = code.at(block, code.times(group, _BYTES))
        scale, least = (
            b.fpext(code.load(code.at(start, at, code.times(lane, 2)), code.ir.HalfType(), 2), code.f32)
            for at in (0, LANES * 2)
        )
        with code.loop(0, GROUP // 8) as eight:
            place = code.at(start, _SCALES, code.times(eight, LANES * 4), code.times(lane, 4))
            word = code.load(place, code.i32)
            for i in range(8):
                shift = code.ir.Constant(code.i32, i % 4 * 8 + i // 4 * 4)
                step = b.sitofp(b.and_(b.lshr(word, shift), code.ir.Constant(code.i32, 15)), code.f32)
                at = code.add(code.times(group, GROUP * 4), code.times(eight, 32))
                code.store(b.fadd(least, b.fmul(step, scale)), code.at(goal, at, 4 * i))


class FourBits:
    """How `grouped.multiply` reads such weights."""

    inputs = 8
    """Of each output, in what is loaded at once."""

    def __init__(self, code: Code):
        self._code = code
        self.dots: Fours = nibbles(code)

    def numbers(self, layout: Layout, group):
        """Bytes from a block's start to a group's weights."""
        return self._code.add(self._code.times(group, _BYTES), _SCALES)

    def fours(self, words) -> list:
        """What `Fours.add` wants, one four of inputs after the other."""
        code = self._code
        low = code.ir.Constant(words.type, [0x0F0F0F0F] * words.type.count)
        shifted = code.b.lshr(words, code.ir.Constant(words.type, [4] * words.type.count))
        return [self.dots.weights(code.b.and_(part, low)) for part in (words, shifted)]

    def factors(self, layout: Layout, start, group, first: int) -> tuple:
        """Scales and least values of the outputs from `first` on, float32 `[lanes]`."""
        code, lanes = self._code, self.dots.lanes
        place, kind = code.at(start, code.times(group, _BYTES)), code.ir.VectorType(code.ir.HalfType(), lanes)
        scale, least = (code.load(code.at(place, at + 2 * first), kind, 2) for at in (0, LANES * 2))
        return code.b.fpext(scale, code.floats(lanes)), code.b.fpext(least, code.floats(lanes))
