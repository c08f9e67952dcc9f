"""Weights and rows as whole numbers of eight bits, multiplied four by four (see `fours`).

Half of bfloat16's bytes to read and half of its instructions. 16 to 64 successive inputs share a scale, their largest
number divided by 127, weights and rows alike, so that one large number spoils only its group. Weights are stored plus
128, without a sign; where they are multiplied so, a row's sum begins at -128 times the sum of the row's own numbers.
Within a group sums are exact, and groups are added in order, so that a row's result does not depend on its company.
"""

import torch

from s3d_core.kernels.fours import BIAS, Fours, eights
from s3d_core.kernels.jit import LANES, Code
from s3d_core.kernels.layout import Layout

_MOST = 127.0


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


class EightBits:
    """How `grouped.multiply` reads such weights."""

    inputs = 4
    """Of each output, in what is loaded at once."""

    def __init__(self, code: Code):
        self._code = code
        self.dots: Fours = eights(code)

    def numbers(self, layout: Layout, group):
        """Bytes from a block's start to a group's weights."""
        return self._code.add(layout.scale_bytes, self._code.times(group, layout.group * LANES))

    def fours(self, words) -> list:
        """What `Fours.add` wants, one four of inputs after the other."""
        return [self.dots.weights(words)]

    def factors(self, layout: Layout, start, group, first: int) -> tuple:
        """Scales of the outputs from `first` on, float32 `[lanes]`, and None: there is no least value."""
        code, lanes = self._code, self.dots.lanes
        place = code.at(start, code.times(group, LANES * 2), 2 * first)
        scale = code.b.zext(code.load(place, code.integers(lanes, 16), 2), code.integers(lanes))
        scale = code.b.shl(scale, code.ir.Constant(scale.type, [16] * lanes))
        return code.b.bitcast(scale, code.floats(lanes)), None
