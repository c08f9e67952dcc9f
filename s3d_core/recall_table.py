"""What is recalled of the text, for a tree that grows on a device: a table of n-grams in tensors.

A place is found by a hash alone, and the newest n-gram of a place is the one that is known, so now and
then one is forgotten; verification does not mind.
"""

import numpy as np
import torch

from s3d_core.recall import LONGEST, Followers, Recall
from s3d_core.transfer import send

_BITS = 16
# Tokens of an n-gram are packed into one number by so many bits each.
_TOKEN_BITS = 21
_MIX = 0x9E3779B97F4A7C15


class RecallTable:
    """A copy of a `Recall` on a device.

    Args:
        recall: what it holds from now on is copied by `update`.
        bits: places per kind of evidence, as a power of two.
    """

    def __init__(self, recall: Recall, device: torch.device, bits: int = _BITS):
        self._recall, self._device, self._bits = recall, device, bits
        self._said, self._meant = recall.watched()
        places = 1 << bits
        self._grams = torch.full((2, LONGEST, places), -1, dtype=torch.int64, device=device)
        self._followers = torch.zeros((2, LONGEST, places), dtype=torch.int64, device=device)

    @property
    def bytes(self) -> int:
        """Memory, in bytes."""
        return 2 * self._grams.numel() * self._grams.element_size()

    def update(self) -> None:
        """Take over what is new."""
        new: dict[int, tuple[int, int]] = {}
        for offset, followers in enumerate((self._said, self._meant)):
            if followers.was_cleared:
                self._grams[offset] = -1
            self._collect(followers, offset, new)
            followers.new, followers.was_cleared = {}, False
        if new:
            grams, tokens = zip(*new.values(), strict=True)
            places, grams, tokens = send(torch.tensor([list(new), grams, tokens]), self._device)
            self._grams.view(-1).index_copy_(0, places, grams)
            self._followers.view(-1).index_copy_(0, places, tokens)

    def _collect(self, followers: "Followers", offset: int, new: dict[int, tuple[int, int]]) -> None:
        """Put the new n-grams of one kind into `new`, by their places."""
        if not followers.new:
            return
        lengths = np.array([len(gram) for gram in followers.new])
        packed = np.array([_packed(gram) for gram in followers.new], dtype=np.uint64)
        mixed = (packed * np.uint64(_MIX)) >> np.uint64(64 - self._bits)
        places = ((offset * LONGEST + lengths - 1) << self._bits) + mixed.astype(np.int64)
        new |= zip(places.tolist(), zip(packed.tolist(), followers.new.values(), strict=True), strict=True)

    def after(self, contexts: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """What the longest equal n-gram suggests, for said and meant.

        Args:
            contexts: `[paths, LONGEST]`, the last tokens of each path, the last one last; -1 before its beginning.

        Returns:
            Whether there is a suggestion, its token, and the n-gram's length less one, each `[2, paths]`.
        """
        one, two, three = contexts[:, 2], contexts[:, 1], contexts[:, 0]
        pair = (two << _TOKEN_BITS) | one
        grams = torch.stack([one, pair, (three << (2 * _TOKEN_BITS)) | pair])
        # A shift to the right fills up with the sign, which is cut off here.
        places = ((grams * _signed(_MIX)) >> (64 - self._bits)) & ((1 << self._bits) - 1)
        places = places.expand(2, -1, -1)
        found = self._grams.gather(2, places) == grams
        # The numbers 1, 2, 3 of those that are known, the longest first.
        longest = (found * torch.arange(1, LONGEST + 1, device=grams.device)[:, None]).amax(1)
        at = (longest - 1).clamp(min=0)
        tokens = self._followers.gather(2, places).gather(1, at[:, None])[:, 0]
        return longest > 0, tokens, at


def _packed(gram: tuple[int, ...]) -> int:
    number = 0
    for token in gram:
        number = number << _TOKEN_BITS | token
    return number


def _signed(number: int) -> int:
    return number - (1 << 64) if number >> 63 else number
