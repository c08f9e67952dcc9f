"""Products with the instructions that this processor does not use: `other_instructions.py int8|int4`.

Where there is VNNI, those of AVX2; else VNNI's one, spelled out in multiplications and additions.
"""

import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from s3d_core.kernels import fours, jit
from s3d_core.kernels.jit import LANES
from s3d_core.kernels.layout import Layout
from s3d_core.kernels.skinny import Packed


def spelled(self, weights, row, total):
    """What vpdpbusd does."""
    code, b = self._code, self._code.b
    for i in range(4):
        shift = code.ir.Constant(weights.type, [24 - 8 * i] * LANES)
        last = code.ir.Constant(weights.type, [24] * LANES)
        weight, number = b.lshr(b.shl(weights, shift), last), b.ashr(b.shl(row, shift), last)
        total = b.add(total, b.mul(weight, number))
    return total


is_vnni = jit.dots_vnni()
jit.dots_vnni = lambda: not is_vnni
if not is_vnni:
    fours._Vnni.add = spelled
kind = sys.argv[1]
for out, into in ((48, 64), (160, 96)):
    packed = Packed(torch.randn(out, into, generator=torch.Generator().manual_seed(0)), kind=kind)
    for rows in (1, 3, 9, 17):
        x = torch.randn(rows, into, generator=torch.Generator().manual_seed(1))
        groups = x.double().unflatten(1, (-1, Layout(into, 1, kind).group))
        scale = groups.abs().amax(dim=2, keepdim=True) / 127
        expected = (((groups / scale).round() * scale).flatten(1) @ packed.unpacked().double().T).float()
        # Ties between two steps may be rounded either way.
        assert (packed(x) - expected).abs().max() < 0.02 * expected.std(), (out, into, rows)
