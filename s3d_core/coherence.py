"""The coherence term: how well a token follows another, as the draft row of its slot sees it.

The slots of one draft pass do not know each other's choice. For parent p, child c and the child's
slot of final-normed draft row h, the child's logit gains

    ((E[p] @ parent) * (1 + h @ gate)) . (E[c] @ child)

with E the target's embedding: a bigram score of low rank, whose dimensions the slot turns up or
down. Reading the vectors of a token takes longer than multiplying them, so those of lately seen
tokens are kept on the host, in half precision: a draft's evidence need not be finer.
"""

import numpy as np
import torch

from s3d_core.adapter import Adapter
from s3d_core.target import Target

# Tokens whose vectors are kept; some rounds' candidates fit in any case.
_ROOM = 512
_LARGEST = float(np.finfo(np.float16).max)


class Coherence:
    """The coherence term of an adapter on its target."""

    def __init__(self, target: Target, adapter: Adapter):
        self._target, self._adapter = target, adapter
        rank = adapter.parent.shape[1]
        self._parents, self._children = (np.empty((_ROOM, rank), dtype=np.float16) for _ in range(2))
        self._place = np.full(target.embedding.shape[0], -1, dtype=np.int16)
        self._filled = 0
        # Multiplied with in one go.
        self._ends = torch.cat([adapter.parent, adapter.child], dim=1) if adapter.ends is None else adapter.ends

    @property
    def bytes(self) -> int:
        """Memory beyond the adapter's own, in bytes."""
        tables = self._parents.nbytes + self._children.nbytes + self._place.nbytes
        return tables + (self._ends.nbytes if self._adapter.ends is None else 0)

    def pairs(self, rows: torch.Tensor, tokens: np.ndarray) -> np.ndarray | None:
        """The term for each choice of a slot and each of the next, float32 `[slots - 1, k, k]`; None for one slot.

        Args:
            rows: draft rows before the final norm, `[slots, hidden]`.
            tokens: `[slots, k]` ids.
        """
        if tokens.shape[0] == 1:
            return None
        rows, norm, gate = rows[1:].float(), self._adapter.norm.float(), self._adapter.gate.float()
        turned = ((rows * norm) @ gate).cpu().numpy()
        # A row's norm is a factor for all of it.
        plain = rows.cpu().numpy()
        gates = 1 + turned / np.sqrt((plain * plain).mean(1, keepdims=True) + self._target.eps)
        at = self._places(tokens)
        parents = self._parents[at[:-1]] * gates[:, None, :]
        return parents @ self._children[at[1:]].astype(np.float32).swapaxes(1, 2)

    def pairs_there(self, rows: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor | None:
        """As `pairs`, of rows behind the final norm and on the device, where the vectors are made anew sooner than they
        are looked up on the host."""
        if tokens.shape[0] == 1:
            return None
        gates = (1 + rows[1:] @ self._adapter.gate).float()
        vectors = self._target.embed(tokens)
        parent, child = (matrix.to(vectors.dtype) for matrix in (self._adapter.parent, self._adapter.child))
        parents = (vectors[:-1] @ parent).float() * gates[:, None, :]
        return parents @ (vectors[1:] @ child).float().transpose(1, 2)

    def _places(self, tokens: np.ndarray) -> np.ndarray:
        at = self._place[tokens]
        if at.min() >= 0:
            return at
        new = np.unique(tokens[at < 0])
        if self._filled + len(new) > _ROOM:
            self._place.fill(-1)
            self._filled = 0
            new = np.unique(tokens)
        rows = self._target.embed(torch.from_numpy(new).to(self._adapter.parent.device))
        places = slice(self._filled, self._filled + len(new))
        rank = self._parents.shape[1]
        ends = (rows @ self._ends.to(rows.dtype)).float().clamp(-_LARGEST, _LARGEST).cpu().numpy()
        self._parents[places], self._children[places] = ends[:, :rank], ends[:, rank:]
        self._place[new] = np.arange(places.start, places.stop)
        self._filled = places.stop
        return self._place[tokens]
