"""The draft pass's layers as copies of their own: the adapter merged in, in weights of four bits.

A draft need not be exact, since the stock model verifies it, and a draft pass takes as long as its weights take to
read: of float32 a copy in four bits has less than a sixth of the bytes, and the adapter none beside it. So the draft
pass of a float32 model on a processor takes a third of the time, for less memory than a tenth of the model (this
project's own). Of fewer bits a copy would be too large a share of the model: there the adapter stays beside it.
"""

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from s3d_core.kernels import jit
from s3d_core.kernels.jit import LANES
from s3d_core.kernels.layout import Kind, Layout, fits
from s3d_core.kernels.skinny import Packed
from s3d_core.layer import LINEARS, Layer, Update, as_tensor, stored
from s3d_core.pages import Room, give_back

if TYPE_CHECKING:
    from s3d_core.target import Target

KIND: Kind = "int4"
"""How the copies are multiplied."""


class Merged:
    """Copies of a target's layers with an adapter's updates merged in, each made when it is first asked for.

    Args:
        layers: the target's, first to last.
        updates: the adapter's; a layer without one is copied as it is.
        room: where the copies are put.
    """

    def __init__(self, layers: Sequence[Layer], updates: dict[int, Update], room: Room):
        self._layers, self._updates, self._room = layers, updates, room
        self._copies: dict[int, Layer] = {}

    @staticmethod
    def suits(target: "Target") -> bool:
        """Whether a target's draft pass is better run on copies."""
        if not (target.compiles and target.precision == "float32" and jit.dots_int8()):
            return False
        # What a weight is made of does not matter for its shape to fit.
        like = torch.empty(1)
        return all(fits(like.expand(getattr(layer, name).shape), KIND) for layer in target.layers for name in LINEARS)

    def layer(self, i: int) -> Layer:
        """The copy of a layer: `Packed` weights of `KIND`, everything else shared with the target's."""
        if i not in self._copies:
            layer = copy.copy(self._layers[i])
            for name in LINEARS:
                setattr(layer, name, Packed(self._sum(i, name), self._room, KIND))
            self._copies[i] = layer
        return self._copies[i]

    def _sum(self, i: int, name: str) -> torch.Tensor:
        weight = as_tensor(getattr(self._layers[i], name)).float()
        if i not in self._updates:
            return weight
        a, b = map(as_tensor, self._updates[i][name])
        merged = weight.addmm(b.float(), a.float())
        for half in (a, b):
            give_back(half)  # of a mapped file
        return merged

    def bytes_read(self, i: int) -> int:
        """Bytes of a layer's copy, made yet or not."""
        shapes = (getattr(self._layers[i], name).shape for name in LINEARS)
        return sum(out // LANES * Layout.of(out, into, KIND).block_bytes for out, into in shapes)

    @property
    def bytes(self) -> int:
        """Memory of the copies made so far, in bytes."""
        return sum(stored(getattr(layer, name)) for layer in self._copies.values() for name in LINEARS)


Drafting = dict[int, Update] | Merged
"""What a draft pass adds to the stock layers, or runs in their place."""
