"""The draft adapter in peft's terms, and back, bit by bit.

The low-rank updates become a LoRA adapter that `peft` loads onto the stock model: ours sit on joined
matrices, so where a model keeps query, key and value or gate and up apart, B is split by rows and A is
written for each part. What peft has no place for (masks, norm, coherence term, calibration, drafted
tokens) lies beside it in a file of our own.

A model with this LoRA is no better chat model: its layers are those of the draft pass, which guess ahead
for mask embeddings with the middle layers left out.
"""

import json
import re
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from s3d_core.adapter import CARD, WEIGHTS, read_card
from s3d_core.errors import AdapterError

LORA, LORA_CONFIG, REST = "adapter_model.safetensors", "adapter_config.json", "s3d.safetensors"

_BLOCKS = {"qkv": "self_attn", "o": "self_attn", "gate_up": "mlp", "down": "mlp"}
# Our linears -> the modules that they are made of, in the order of their rows.
_SPLIT = {
    "qkv": ("q_proj", "k_proj", "v_proj"),
    "o": ("o_proj",),
    "gate_up": ("gate_proj", "up_proj"),
    "down": ("down_proj",),
}
_JOINED = {"qkv": ("qkv_proj",), "o": ("o_proj",), "gate_up": ("gate_up_proj",), "down": ("down_proj",)}
_OURS = re.compile(r"layers\.(\d+)\.(qkv|o|gate_up|down)\.[ab]")
_THEIRS = re.compile(r"base_model\.model\.model\.layers\.(\d+)\.(?:self_attn|mlp)\.(\w+)\.lora_[AB]\.weight")


def to_peft(adapter: Path, out: Path, *, joined: bool = False, base_model: str | None = None) -> None:
    """Write an adapter folder as a peft LoRA folder.

    Args:
        joined: the model keeps query, key and value in one module, and gate and up (Phi-3 does).
        base_model: where `AutoPeftModelForCausalLM` finds the model; by default the name in the adapter's card.

    Raises:
        AdapterError: the adapter is missing or damaged, or its ranks differ.
    """
    card, (tensors, _) = read_card(adapter), _read(adapter / WEIGHTS)
    rest = {key: tensor for key, tensor in tensors.items() if not _OURS.fullmatch(key)}
    lora: dict[str, torch.Tensor] = {}
    layers: set[int] = set()
    ranks: set[int] = set()
    try:
        for key in sorted(tensors.keys() - rest.keys()):
            _, i, linear, side = key.split(".")
            if side == "b":
                continue
            a, b = tensors[key], tensors[key[:-1] + "b"]
            layers.add(int(i))
            ranks.add(a.shape[0])
            modules = (_JOINED if joined else _SPLIT)[linear]
            # There are as many query rows as the output projection reads; the others are of equal halves.
            queries = tensors[f"layers.{i}.o.a"].shape[1]
            rows = [b.shape[0] // len(modules)] * len(modules)
            if len(modules) == 3:
                rows = [queries, *[(b.shape[0] - queries) // 2] * 2]
            for module, piece in zip(modules, b.split(rows), strict=True):
                name = f"base_model.model.model.layers.{i}.{_BLOCKS[linear]}.{module}"
                lora[f"{name}.lora_A.weight"] = a.clone()
                lora[f"{name}.lora_B.weight"] = piece.contiguous()
    except (LookupError, ValueError, RuntimeError) as error:
        raise AdapterError(f"The draft adapter in {adapter} is damaged ({error}); fetch or train it again.") from error
    if len(ranks) != 1:
        raise AdapterError(f"The draft adapter in {adapter} has updates of several ranks, or none; peft takes one.")
    rank = ranks.pop()
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base_model or card.get("base_model"),
        "inference_mode": True,
        "r": rank,
        "lora_alpha": rank,  # peft multiplies by alpha / r
        "lora_dropout": 0.0,
        "bias": "none",
        "layers_to_transform": sorted(layers),
        "target_modules": sorted({module for names in (_JOINED if joined else _SPLIT).values() for module in names}),
    }
    out.mkdir(parents=True, exist_ok=True)
    save_file(lora, out / LORA, metadata={"format": "pt"})
    save_file(rest, out / REST, metadata={"card": json.dumps(card)})
    (out / LORA_CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def from_peft(lora_folder: Path, out: Path) -> None:
    """Write a folder that `to_peft` made as an adapter folder again, with the very same numbers.

    Raises:
        AdapterError: a file is missing or damaged, or the LoRA is not of this form.
    """
    lora, _ = _read(lora_folder / LORA)
    tensors, notes = _read(lora_folder / REST)
    modules: dict[tuple[str, str], None] = {}
    for key in lora:
        found = _THEIRS.fullmatch(key)
        if found is None:
            raise AdapterError(f"{lora_folder / LORA} holds {key[:100]!r}, for which a draft adapter has no place.")
        modules[found[1], found[2]] = None
    try:
        config = json.loads((lora_folder / LORA_CONFIG).read_text(encoding="utf-8"))
        if config["lora_alpha"] != config["r"]:
            raise AdapterError(f"The LoRA in {lora_folder} is scaled; a draft adapter needs lora_alpha equal to r.")
        card = json.loads(notes["card"])
        parts = _JOINED if any(module == "qkv_proj" for _, module in modules) else _SPLIT
        for i in sorted({i for i, _ in modules}, key=int):
            for linear, names in parts.items():
                prefix = f"base_model.model.model.layers.{i}.{_BLOCKS[linear]}."
                first, *others = [lora[f"{prefix}{name}.lora_A.weight"] for name in names]
                if not all(torch.equal(first, other) for other in others):
                    raise AdapterError(
                        f"The LoRA in {lora_folder} has different A matrices for {' and '.join(names)} of layer {i}; "
                        "a draft adapter shares one."
                    )
                tensors[f"layers.{i}.{linear}.a"] = first
                tensors[f"layers.{i}.{linear}.b"] = torch.cat([lora[f"{prefix}{name}.lora_B.weight"] for name in names])
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise AdapterError(
            f"The LoRA in {lora_folder} is damaged or incomplete ({error}); convert it again."
        ) from error
    out.mkdir(parents=True, exist_ok=True)
    save_file(tensors, out / WEIGHTS, metadata={"card": json.dumps(card)})
    (out / CARD).write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")


def _read(file: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    try:
        with safe_open(file, "pt") as opened:
            return {key: opened.get_tensor(key) for key in opened.keys()}, opened.metadata() or {}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise AdapterError(f"{file} is missing or damaged; fetch or convert it again.") from error
