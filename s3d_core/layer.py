"""One decoder layer's weights, as they are taken over from a transformers module."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from s3d_core.errors import ModelError
from s3d_core.kernels.skinny import Packed
from s3d_core.pages import give_back
from s3d_core.quantised import Quantised

LINEARS = ("qkv", "o", "gate_up", "down")


# A matrix `[out, in]`, as torch keeps it or packed for few rows.
Weight = torch.Tensor | Packed
# One of a layer, which may be held in few bits as well.
Linear = Weight | Quantised


@dataclass
class Layer:
    """One decoder layer's weights, `[out, in]` each, with the joined projections."""

    qkv: Linear
    qkv_bias: torch.Tensor | None
    o: Linear
    o_bias: torch.Tensor | None
    gate_up: Linear
    down: Linear
    attention_norm: torch.Tensor
    mlp_norm: torch.Tensor
    query_norm: torch.Tensor | None
    key_norm: torch.Tensor | None
    window: int | None
    rotary: bool


# A layer's draft-only update: linear name -> (A [rank, in], B [out, rank]).
Update = dict[str, tuple[Weight, Weight]]


def as_tensor(weight: Linear) -> torch.Tensor:
    """A weight `[out, in]` as torch keeps it; a copy if it is packed or quantised."""
    return weight if isinstance(weight, torch.Tensor) else weight.unpacked()


def held(weight: Linear) -> tuple[torch.Tensor, ...]:
    """The tensors that a weight is kept in."""
    if isinstance(weight, Quantised):
        return weight.held
    return (weight.blocks if isinstance(weight, Packed) else weight,)


def stored(weight: Linear) -> int:
    """Bytes of a weight as it is held."""
    return sum(tensor.nbytes for tensor in held(weight))


def multiply(x: torch.Tensor, weight: Linear) -> torch.Tensor:
    """`x @ weight.T`, `[rows, in]` to `[rows, out]`, in the precision of `x`."""
    if not isinstance(weight, torch.Tensor):
        return weight(x)
    return F.linear(x, weight) if x.dtype == weight.dtype else _FrozenProduct.apply(x, weight)


def rms_norm(x: torch.Tensor, weight: torch.Tensor, eps: float) -> torch.Tensor:
    """RMS norm over the last dimension, in the precision of `x`."""
    return F.rms_norm(x, weight.shape, weight.to(x.dtype), eps)


def _joined(weights: list[torch.Tensor]) -> torch.Tensor:
    """The weights one behind the other; the pages of a file that they came from leave the memory again."""
    joined = torch.cat(weights)
    for weight in weights:
        give_back(weight)
    return joined


class _FrozenProduct(torch.autograd.Function):
    """A product in the precision of the weight, which is never copied to that of `x` and gets no gradient."""

    @staticmethod
    def forward(ctx, x, weight):
        ctx.save_for_backward(weight)
        return F.linear(x.to(weight.dtype), weight).to(x.dtype)

    @staticmethod
    def backward(ctx, grad):
        (weight,) = ctx.saved_tensors
        return (grad.to(weight.dtype) @ weight).to(grad.dtype), None


def windows_of(config) -> list[int | None]:
    """Each layer's sliding window, as transformers itself chooses it per architecture."""
    window = getattr(config, "sliding_window", None)
    kinds = getattr(config, "layer_types", None)
    if kinds is None:
        return [window] * config.num_hidden_layers
    return [window if kind == "sliding_attention" else None for kind in kinds]


def take(module, window: int | None, rotary: bool) -> Layer:
    """A transformers decoder layer's weights, its projections joined.

    Raises:
        ModelError: it has biases where none can be run.
    """
    attention, mlp = module.self_attn, module.mlp
    if hasattr(attention, "qkv_proj"):
        qkv, qkv_bias = attention.qkv_proj.weight, attention.qkv_proj.bias
    else:
        parts = (attention.q_proj, attention.k_proj, attention.v_proj)
        qkv = _joined([p.weight for p in parts])
        qkv_bias = None if parts[0].bias is None else torch.cat([p.bias for p in parts])
    if hasattr(mlp, "gate_up_proj"):
        gate_up = mlp.gate_up_proj.weight
    else:
        gate_up = _joined([mlp.gate_proj.weight, mlp.up_proj.weight])
    if mlp.down_proj.bias is not None:
        raise ModelError("A model with biases in its feed-forward layers cannot be run here.")

    def plain(t):
        return None if t is None else t.detach()

    return Layer(
        qkv=plain(qkv),
        qkv_bias=plain(qkv_bias),
        o=plain(attention.o_proj.weight),
        o_bias=plain(attention.o_proj.bias),
        gate_up=plain(gate_up),
        down=plain(mlp.down_proj.weight),
        attention_norm=plain(module.input_layernorm.weight),
        mlp_norm=plain(module.post_attention_layernorm.weight),
        query_norm=plain(getattr(getattr(attention, "q_norm", None), "weight", None)),
        key_norm=plain(getattr(getattr(attention, "k_norm", None), "weight", None)),
        window=window,
        rotary=rotary,
    )
