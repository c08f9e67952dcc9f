"""The draft pass's output head: the stock head's rows for frequent tokens and for those of the text at hand.

A draft need not know every word. Most text is made of some thousand tokens, and a rare one that
comes up has mostly been seen in the same chat. Reading a tenth of the head's rows instead of all
of them takes a tenth off the time of a round (frequency-ranked drafting, arXiv:2502.14856; the
text's own tokens are this project's addition). What cannot be drafted is still written: the verify
pass has the whole vocabulary.
"""

import torch

from s3d_core.kernels.jit import LANES
from s3d_core.kernels.layout import draft_kind
from s3d_core.kernels.skinny import Packed
from s3d_core.layer import Weight
from s3d_core.pages import Room, roomy
from s3d_core.target import Target
from s3d_core.transfer import send

# Of the rows, one in six is for tokens of the text; the rest is for frequent tokens.
_OWN = 6
_SHARE = 10
_GRAIN = 3 * LANES


def frequent_size(vocabulary: int) -> int:
    """How many frequent tokens to keep for a model's vocabulary; 0 where it is too small to be worth it."""
    rows = vocabulary // _SHARE // _GRAIN * _GRAIN
    return rows - rows // _OWN


class DraftHead:
    """Rows of a target's head.

    Args:
        frequent: `[n]` ascending token ids that are always there; empty for the whole vocabulary. Of more than
            `frequent_size` the last are left out: vocabularies of pairs of bytes number the rarer tokens later.
        memory: where packed rows are put; None for memory of their own.

    Attributes:
        room: how many other tokens of the text there is room for.
    """

    def __init__(self, target: Target, frequent: torch.Tensor, memory: Room | None = None):
        self._target = target
        self.room = 0
        self._read = 0
        self.forget()
        self._is_whole = frequent.numel() == 0
        if self._is_whole:
            self._weight: Weight = target.head
            return
        frequent = frequent[: frequent_size(target.head.shape[0]) or None]
        count = frequent.numel()
        room = -(-count // (_OWN - 1))
        room += -(count + room) % _GRAIN
        ids = torch.cat([frequent, frequent[:1].expand(room)])
        head = target.head
        self._weight = _packed(head, ids, target.dtype, memory) if isinstance(head, Packed) else head[ids]
        self._tokens = ids
        self._first, self.room = count, room
        self._is_frequent = bytearray(target.head.shape[0])
        for token in frequent.tolist():
            self._is_frequent[token] = True

    @property
    def bytes(self) -> int:
        """Memory beyond the target's own, in bytes."""
        if self._is_whole:
            return 0
        held = self._weight.blocks if isinstance(self._weight, Packed) else self._weight
        return sum(t.numel() * t.element_size() for t in (held, self._tokens)) + len(self._is_frequent)

    def best(
        self, x: torch.Tensor, norm: torch.Tensor, count: int, text: list[int]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits and ids `[rows, count]` of each row's best tokens, best first.

        Args:
            x: draft rows before the final norm, `[rows, hidden]`.
            norm: the draft pass's final norm, `[hidden]`.
            text: every token so far; those not seen before get rows, in place of the oldest.
        """
        if self._is_whole:
            return self._target.logits(x, norm).float().topk(min(count, self._weight.shape[0]), dim=-1)
        used = self.follow(text)  # before the product: it writes rows
        logits = self._target.logits(x, norm, self._weight)[:, :used]
        logits, places = logits.float().topk(min(count, logits.shape[1]), dim=-1)
        return logits, self._tokens[places]

    def best_of(
        self, x: torch.Tensor, norm: torch.Tensor, count: int, used: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """As `best`, with nothing but tensors changing; `used`, int64, is what `follow` returned."""
        logits = self._target.logits(x, norm, self._weight).float()
        logits = logits.masked_fill(torch.arange(logits.shape[1], device=logits.device) >= used, float("-inf"))
        logits, places = logits.topk(min(count, logits.shape[1]), dim=-1)
        return logits, places if self._is_whole else self._tokens[places]

    def forget(self) -> None:
        """Give up the rows of the texts seen so far."""
        self._text: list[int] | None = None
        self._filled = 0
        self._place: dict[int, int] = {}
        self._owner: dict[int, int] = {}

    def follow(self, text: list[int]) -> int:
        """Give rows to tokens of the text that were not seen before, for the oldest; how many rows are in use."""
        if self._is_whole:
            return self._weight.shape[0]
        self._take_in(text)
        return self._first + min(self._filled, self.room)

    def _take_in(self, text: list[int]) -> None:
        if text is not self._text:
            self._text, self._read = text, 0
        new = [t for t in dict.fromkeys(text[self._read :]) if not self._is_frequent[t] and t not in self._place]
        self._read = len(text)
        new = new[-self.room :]
        if not new:
            return
        places = []
        for token in new:
            place = self._first + self._filled % self.room
            self._place.pop(self._owner.get(place, -1), None)
            self._place[token], self._owner[place] = place, token
            self._filled += 1
            places.append(place)
        at, ids = send(torch.tensor([places, new]), self._tokens.device)
        self._tokens[at] = ids
        rows = rows_of(self._target.head, ids)
        if isinstance(self._weight, Packed):
            self._weight.put(at, rows)
        else:
            self._weight[at] = rows


def _packed(head: Packed, ids: torch.Tensor, dtype: torch.dtype, memory: Room | None) -> Packed:
    """A head of some of a head's rows."""
    kind = draft_kind(head.layout.kind, head.shape[1])
    # Pages of their own go back to the system when the rows are packed.
    rows = roomy((len(ids), head.shape[1]), torch.bfloat16 if kind == "bf16" else dtype)
    for some in torch.arange(len(ids)).split(1024):
        rows[some] = head.rows(ids[some]).to(rows.dtype)
    return Packed(rows, memory, kind)


def rows_of(head: Weight, ids: torch.Tensor) -> torch.Tensor:
    """Rows `[n, hidden]` of a head, in the precision it multiplies in."""
    return head.rows(ids) if isinstance(head, Packed) else head[ids]
