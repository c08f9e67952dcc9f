"""The noise of `noise.uniform` on a device: the same number for each seed, position and token."""

import numpy as np
import torch

from s3d_core.noise import noise_key


def keys(seed: int, start: int, count: int) -> torch.Tensor:
    """Keys `[count]` int64, on the host, of the positions from `start` on."""
    found = np.array([noise_key(seed, start + i) for i in range(count)], dtype=np.uint64)
    return torch.from_numpy(found.view(np.int64))


def gumbel(key: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    """Gumbel noise, float64, of tokens under keys that broadcast with them."""
    # Products of int64 wrap around as those of uint64 do.
    z = key + (tokens + 1) * _signed(0x9E3779B97F4A7C15)
    z = (z ^ _shifted(z, 30)) * _signed(0xBF58476D1CE4E5B9)
    z = (z ^ _shifted(z, 27)) * _signed(0x94D049BB133111EB)
    z = z ^ _shifted(z, 31)
    uniform = (_shifted(z, 11).double() + 0.5) * 2.0**-53
    return -torch.log(-torch.log(uniform))


def _shifted(z: torch.Tensor, bits: int) -> torch.Tensor:
    """To the right, filled up with zeros."""
    return (z >> bits) & ((1 << (64 - bits)) - 1)


def _signed(number: int) -> int:
    return number - (1 << 64)
