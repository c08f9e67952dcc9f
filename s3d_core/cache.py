"""The position-indexed K/V cache: a slot is a position, so nothing is ever cropped.

Rows of a pass are written behind the committed tokens, attended to, and then either moved
into place (accepted) or simply overwritten by the next pass (rejected). The draft pass uses
the same slots as scratch, which is why drafting needs no memory of its own.
"""

from typing import Any

import torch

from s3d_core.errors import is_out_of_memory
from s3d_core.pages import roomy
from s3d_core.transfer import send

# Slots beyond what is needed, where memory is short.
_LITTLE = 32
# Layers whose K/V lie in one tensor: a row is moved for all of them at once, and growing holds one tensor twice.
_BLOCK = 8


class Cache:
    """Keys and values of every layer, each `[kv_heads, capacity, head_dim]`.

    Attributes:
        ids: token ids whose K/V of *all* layers are committed, slot by slot.
        long_rope: the keys were turned with a long-rope model's long frequencies.
        most: slots that will do; growth ends there unless more are asked for. None where it is not known.
        place: stands for where the K/V lie in memory; another object as soon as they lie elsewhere.
    """

    def __init__(
        self,
        layers: int,
        kv_heads: int,
        head_dim: int,
        dtype: torch.dtype,
        device: torch.device,
        most: int | None = None,
        blank: bool = False,
    ):
        """An empty cache.

        Args:
            blank: slots never written hold zeros, so that a masked one may be attended to.
        """
        self._options: dict[str, Any] = {"dtype": dtype, "device": device}
        self._blank = blank
        blocks = [min(_BLOCK, layers - first) for first in range(0, layers, _BLOCK)]
        self._blocks = [torch.empty(2, count, kv_heads, 0, head_dim, **self._options) for count in blocks]
        self.keys, self.values = ([torch.empty(0)] * layers for _ in range(2))
        for i, block in enumerate(self._blocks):
            self._hold(i, block)
        self.ids: list[int] = []
        self.long_rope = False
        self.most = most

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def capacity(self) -> int:
        return min(block.shape[3] for block in self._blocks)

    @property
    def bytes(self) -> int:
        """Memory held, in bytes."""
        return sum(block.numel() * block.element_size() for block in self._blocks)

    def reserve(self, slots: int) -> None:
        """Make room for `slots` positions, doubling so that growth stays cheap; content is kept.

        The capacity is a multiple of 16: compiled attention reads whole vectors of slots.
        Where there is no memory for that, it grows by a little, more often.
        """
        if slots <= self.capacity:
            return
        wanted = max(slots, 2 * self.capacity, 256)
        if self.most is not None and 1.5 * wanted > self.most:
            wanted = max(slots, self.most)  # the last growth: another one soon would hold nearly all of it twice
        try:
            try:
                self._grow(wanted)
            except (MemoryError, RuntimeError) as error:
                if wanted <= slots + _LITTLE or not is_out_of_memory(error):
                    raise
                self._grow(slots + _LITTLE)
        except BaseException:
            if len({block.shape[3] for block in self._blocks}) > 1:
                self._clear()  # memory ended between two blocks, and all layers must have as many slots
            raise

    def _grow(self, slots: int) -> None:
        """Give every block so many slots, one block after the other."""
        held, size = self.capacity, -(-slots // 16) * 16
        # First those that an attempt which failed has made larger: they give memory back.
        for i in sorted(range(len(self._blocks)), key=lambda i: -self._blocks[i].shape[3]):
            shape = list(self._blocks[i].shape)
            if shape[3] == size:
                continue
            shape[3] = size
            new = self._new(shape)
            new[:, :, :, :held] = self._blocks[i][:, :, :, :held]
            self._hold(i, new)
            del new

    def _new(self, shape: list[int]) -> torch.Tensor:
        if self._options["device"].type == "cpu":
            # A pass reads it all, and a fifth of that time it looked up where small pages lie.
            return roomy(shape, self._options["dtype"])
        return (torch.zeros if self._blank else torch.empty)(shape, **self._options)

    def _clear(self) -> None:
        self.ids.clear()
        for i, block in enumerate(self._blocks):
            self._hold(i, block[:, :, :, :0].clone())

    def _hold(self, number: int, block: torch.Tensor) -> None:
        """Take `[2, layers of the block, kv_heads, capacity, head_dim]`."""
        self._blocks[number], self.place = block, object()
        for kind, held in zip(block, (self.keys, self.values), strict=True):
            held[number * _BLOCK : number * _BLOCK + block.shape[1]] = kind

    def write(self, layer: int, start: int, key: torch.Tensor, value: torch.Tensor):
        """Put rows' K/V `[kv_heads, rows, head_dim]` at `start` and return views of slots 0 to the last row."""
        end = start + key.shape[1]
        self.keys[layer][:, start:end] = key
        self.values[layer][:, start:end] = value
        return self.read(layer, end)

    def read(self, layer: int, end: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Keys and values `[kv_heads, end, head_dim]` of a layer's first slots."""
        return self.keys[layer][:, :end], self.values[layer][:, :end]

    def commit(self, rows: list[int], ids: list[int]) -> None:
        """Move verified rows into contiguous slots behind the committed ones.

        Args:
            rows: offsets from `len(self)` of the rows to keep, ascending; offset i holds the
                K/V of the pass's row i.
            ids: their tokens.
        """
        start = len(self.ids)
        # Rows already in place (a chain, or the first child of each node) need no copy.
        in_place = next((i for i, row in enumerate(rows) if row != i), len(rows))
        if in_place < len(rows):
            self._move([start + row for row in rows[in_place:]], start + in_place)
        self.ids += ids

    def _move(self, slots: list[int], first: int) -> None:
        """Move the K/V of ascending slots to those from `first` on."""
        source = send(slots, self._options["device"])
        for block in self._blocks:
            block[:, :, :, first : first + len(slots)] = block[:, :, :, source]

    def rewind(self, length: int) -> None:
        """Forget every committed position from `length` on; their slots are written over later."""
        del self.ids[length:]

    def common_prefix(self, ids: list[int]) -> int:
        """How many leading tokens of `ids` are committed here already."""
        shared = min(len(ids), len(self.ids))
        for i in range(shared):
            if ids[i] != self.ids[i]:
                return i
        return shared
