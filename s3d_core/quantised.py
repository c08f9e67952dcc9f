"""Weights of eight and four bits by kept libraries: what makes a model fit where 16 bits do not.

A quantised weight stands where a matrix of a layer stood, and is called like a packed one; the embedding, the output
head, norms and biases stay as they are. `int8` and `nf4` are by bitsandbytes. `int8` is LLM.int8 (arXiv:2208.07339)
without its outliers kept apart, which would ask the host: weights with a scale for each output, rows rounded likewise
on the way, sums of whole numbers, so that a row's result does not depend on its company. `nf4` is QLoRA's four-bit
normal float (arXiv:2305.14314): weights with a scale for each 64, rows as they are. `int4` is by torch's own product,
that of torchao's weights of four bits, in which up to 16 rows share one reading of the weights: numbers with a scale
and a middle for each 32, rows in bfloat16. It needs nothing but a GPU that multiplies bfloat16.
"""

import functools
import warnings
from typing import Any

import torch
import torch.nn.functional as F

from s3d_core.errors import ModelError
from s3d_core.stats import INT4_CAPABILITY

_BLOCK = 64
_GROUP = 32
# The products take so many outputs at a time.
_OUTPUTS = 16
# Rows that are quantised at once: a float32 copy of a whole matrix may be more than is left.
_AT_ONCE = 2048


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


class Groups(Quantised):
    """`int4`.

    Raises:
        ModelError: the inputs cannot be cut into groups.
    """

    def __init__(self, weight: torch.Tensor):
        super().__init__(weight)
        if weight.shape[1] % _GROUP:
            raise ModelError("This model's matrices cannot be cut into groups that share a scale; choose bfloat16.")
        padded = F.pad(weight, (0, 0, 0, -weight.shape[0] % _OUTPUTS))
        parts = [_in_groups(rows) for rows in padded.split(_AT_ONCE)]
        numbers, scales = (torch.cat(part) for part in zip(*parts, strict=True))
        self.held = _packed(numbers), scales.transpose(0, 1).contiguous()

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        multiply = torch.ops.aten._weight_int4pack_mm if x.is_cuda else torch.ops.aten._weight_int4pack_mm_for_cpu
        y = multiply(x.to(torch.bfloat16).contiguous(), self.held[0], _GROUP, self.held[1])
        return y[:, : self.shape[0]].to(x.dtype)

    def unpacked(self) -> torch.Tensor:
        # Each product of a row of the identity is one number of the weight.
        one = torch.eye(self.shape[1], dtype=torch.bfloat16, device=self.held[0].device)
        return self(one).T.to(self.dtype).contiguous()


def _in_groups(rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Numbers 0 to 15 `[rows, in]` uint8, and `[rows, groups, (scale, what 8 stands for)]` bfloat16."""
    groups = rows.float().unflatten(1, (-1, _GROUP))
    least, most = groups.aminmax(dim=2, keepdim=True)
    # A group of equal numbers has no scale of its own; its middle is all that counts.
    scales = torch.cat([((most - least) / 15).clamp_min(1e-10), least], 2).bfloat16()
    step = scales[..., :1].float()
    scales[..., 1:] = least + 8 * step
    numbers = ((groups - scales[..., 1:].float()) / step + 8).round().clamp(0, 15)
    return numbers.to(torch.uint8).flatten(1), scales


def _packed(numbers: torch.Tensor) -> torch.Tensor:
    """Numbers in the order in which the device's product reads them, two in a byte."""
    if not numbers.is_cuda:
        return torch.ops.aten._convert_weight_to_int4pack_for_cpu(numbers.int(), 1)
    # The more lie together the wider a thread reads.
    together = next(tiles for tiles in (8, 4, 2) if numbers.shape[1] % (16 * tiles) == 0)
    pairs = numbers[:, ::2] << 4 | numbers[:, 1::2]
    return torch.ops.aten._convert_weight_to_int4pack(pairs.contiguous(), together)


FORMATS: dict[str, type[Quantised]] = {"int8": EightBits, "nf4": FourBits, "int4": Groups}


def check(name: str, device: torch.device) -> None:
    """See that weights can be had in one of `FORMATS` there.

    Raises:
        ModelError: the library is missing or cannot be used, or the GPU is too old.
    """
    if name == "int4":
        if device.type == "cuda" and torch.cuda.get_device_capability(device) < INT4_CAPABILITY:
            raise ModelError(
                "int4 weights need an NVIDIA GPU of the RTX 30 series or later; choose nf4, int8 or float16."
            )
        return
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
