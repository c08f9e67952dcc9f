"""How a packed weight lies in memory, and in which numbers it is multiplied."""

from dataclasses import dataclass
from typing import Literal

import torch

from s3d_core.kernels import jit
from s3d_core.kernels.jit import LANES

Kind = Literal["f32", "bf16", "dots", "int8", "int4"]
"""`f32` and `bf16`: weights of that precision, rows float32. `dots`: both bfloat16, multiplied pair by pair
(`jit.dots_bf16`). `int8`: both whole numbers of eight bits with a scale for each group of inputs, multiplied four by
four (`fours`). `int4`: likewise, but the weights of four bits, with a least value beside the scale."""
# Blocks multiplied at once.
_WIDTHS = (3, 2, 1)
# Inputs that share a scale: the most that divide their number.
_GROUPS = (64, 32, 16)
# What the number of inputs must be a multiple of, where it is more than four.
_GRAINS = {"int8": _GROUPS[-1], "int4": 32}
_LINE = 64


@dataclass(frozen=True)
class Layout:
    """Blocks of 16 outputs and `into` inputs, `width` of them read at a time."""

    into: int
    width: int
    kind: Kind

    @classmethod
    def of(cls, out: int, into: int, kind: Kind) -> "Layout":
        """The layout of a weight `[out, into]`."""
        return cls(into, next(w for w in _WIDTHS if out % (w * LANES) == 0), kind)

    def low(self, rank: int) -> "Layout":
        """The layout of the second half of a low-rank update, whose sums this one's go on with."""
        return Layout(rank, self.width, low_kind(self.kind))

    @classmethod
    def first_half(cls, into: int, kind: Kind) -> "Layout":
        """The layout of the first half of a low-rank update of weights of a kind: so few blocks that threads get single
        ones, not panels."""
        return cls(into, 1, low_kind(kind))

    @property
    def group(self) -> int:
        """Inputs that share a scale, with `int8` and `int4`."""
        if self.kind == "int4":
            return 32
        return next(size for size in _GROUPS if self.into % size == 0)

    @property
    def groups(self) -> int:
        return self.into // self.group

    @property
    def scale_bytes(self) -> int:
        """Bytes before a block's weights: 16 scales in bfloat16 a group, filled up to whole cache lines. With `int4`
        they lie between the weights."""
        return -(-self.groups * LANES * 2 // _LINE) * _LINE if self.kind == "int8" else 0

    @property
    def block_bytes(self) -> int:
        """Bytes of a block."""
        if self.kind == "int4":
            return self.groups * (2 * LANES * 2 + self.group * LANES // 2)
        size = {"f32": 4, "bf16": 2, "dots": 2, "int8": 1}[self.kind]
        return self.scale_bytes + LANES * self.into * size

    @property
    def row_bytes(self) -> int:
        """Bytes of a number in the rows that are multiplied."""
        return {"f32": 4, "bf16": 4, "dots": 2, "int8": 1, "int4": 1}[self.kind]

    @property
    def is_grouped(self) -> bool:
        """Whether weights and rows are whole numbers in groups (see `grouped`)."""
        return self.kind in ("int8", "int4")


def usual_kind(dtype: torch.dtype) -> Kind:
    """How weights of a precision are multiplied on this machine."""
    if dtype != torch.bfloat16:
        return "f32"
    return "dots" if jit.dots_bf16() else "bf16"


def low_kind(kind: Kind) -> Kind:
    """How the low-rank updates of weights of a kind are multiplied: only drafts need them, so bfloat16 is enough."""
    return "dots" if kind == "dots" else "bf16"


def draft_kind(kind: Kind, into: int) -> Kind:
    """How the draft's own copy of the output head's rows, of `into` inputs each, is multiplied where the head is of a
    kind: its memory comes on top of the model's, and which tokens are likely does not hang on a bit more or less."""
    if into % _GRAINS["int8"] == 0:
        return "int8"
    return "bf16" if kind == "f32" else kind


def head_kind(kind: Kind) -> Kind:
    """How the output head, and with it the embedding, of a model is multiplied: four bits are too few for it."""
    return "int8" if kind == "int4" else kind


def fits(weight: torch.Tensor, kind: Kind) -> bool:
    """Whether a weight can be packed: on the CPU, of a known precision, and of even blocks."""
    out, into = weight.shape
    known = weight.dtype in (torch.float32, torch.bfloat16)
    return weight.device.type == "cpu" and known and out % LANES == 0 and into % _GRAINS.get(kind, 4) == 0
