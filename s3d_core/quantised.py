"""Weights of eight and four bits by a kept library, bitsandbytes: what makes a model fit where 16 bits do not.

A quantised weight stands where a matrix of a layer stood, and is called like a packed one; the embedding, the output
head, norms and biases stay as they are. `int8` is LLM.int8 (arXiv:2208.07339) without its outliers kept apart, which
would ask the host: weights with a scale for each output, rows rounded likewise on the way, sums of whole numbers, so
that a row's result does not depend on its company. `nf4` is QLoRA's four-bit normal float (arXiv:2305.14314): weights
with a scale for each 64, rows as they are.
"""

import functools
import warnings
from typing import Any

import torch

from s3d_core.errors import ModelError

_BLOCK = 64


class Quantised:
    """A weight `[out, in]` in few bits.

    Attributes:
        shape, dtype: of the weight that it stands for.
        held: the tensors that it is kept in.
    """

    held: tuple[torch.Tensor, ...]

    def __init__(self, weight: torch.Tensor):
        self.shape, self.dtype = weight.shape, weight.dtype

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """`x @ weight.T`, `[rows, in]` to `[rows, out]`, in the precision of `x`."""
        raise NotImplementedError

    def unpacked(self) -> torch.Tensor:
        """The weight as it is multiplied, `[out, in]`, in its first precision."""
        raise NotImplementedError


class EightBits(Quantised):
    """`int8`."""

    def __init__(self, weight: torch.Tensor):
        super().__init__(weight)
        numbers, scales, _ = _library().functional.int8_vectorwise_quant(weight.to(torch.float16))
        self.held = numbers, scales

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        functional, (numbers, scales) = _library().functional, self.held
        # The library's own kernels know float16 alone.
        rows, row_scales, _ = functional.int8_vectorwise_quant(x.to(torch.float16))
        return functional.int8_mm_dequant(functional.int8_linear_matmul(rows, numbers), row_scales, scales).to(x.dtype)

    def unpacked(self) -> torch.Tensor:
        return _library().functional.int8_vectorwise_dequant(*self.held).to(self.dtype)


class FourBits(Quantised):
    """`nf4`."""

    def __init__(self, weight: torch.Tensor):
        super().__init__(weight)
        numbers, self._state = _library().functional.quantize_4bit(
            weight.contiguous(), blocksize=_BLOCK, compress_statistics=False, quant_type="nf4"
        )
        self.held = numbers, self._state.absmax

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return _library().matmul_4bit(x, self.held[0], quant_state=self._state)

    def unpacked(self) -> torch.Tensor:
        return _library().functional.dequantize_4bit(self.held[0], self._state)


FORMATS: dict[str, type[Quantised]] = {"int8": EightBits, "nf4": FourBits}


def check(name: str) -> None:
    """See that weights can be had in one of `FORMATS` here.

    Raises:
        ModelError: the library is missing or cannot be used.
    """
    try:
        _library()
    except ImportError as error:
        raise ModelError(
            f"{name} weights need the package bitsandbytes: install it with `pip install bitsandbytes`, "
            "or choose bfloat16."
        ) from error
    except Exception as error:  # it looks for a GPU's libraries when it is imported, and may fail in many ways
        raise ModelError(f"bitsandbytes cannot be used here ({error}); choose bfloat16.") from error


@functools.cache
def _library() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own, about what it imports
        import bitsandbytes

    return bitsandbytes
