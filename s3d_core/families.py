"""The families of models that can be run. Knows no torch, so that a program can look before it loads anything."""

from typing import Any

from s3d_core.errors import ModelError

ARCHITECTURES = (
    "LlamaForCausalLM",
    "MistralForCausalLM",
    "Phi3ForCausalLM",
    "Qwen2ForCausalLM",
    "Qwen3ForCausalLM",
    "SmolLM3ForCausalLM",
)

# What GGUF files call them (`general.architecture`).
GGUF_ARCHITECTURES = ("llama", "mistral", "phi3", "qwen2", "qwen3", "smollm3")


def family_names() -> str:
    """The families, for a sentence."""
    return ", ".join(name.removesuffix("ForCausalLM") for name in ARCHITECTURES)


def check_family(config: Any, model: str) -> None:
    """Look at the content of a `config.json`; `model` is what the sentence calls it.

    Raises:
        ModelError: the architecture is unknown.
    """
    names = config.get("architectures") if isinstance(config, dict) else None
    name = names[0] if isinstance(names, list) and names else None
    if name not in ARCHITECTURES:
        kind = f"is a {name} model" if name else "does not say what family it is of"
        raise ModelError(f"{model} {kind}; these families can be run: {family_names()}.")


def check_gguf_family(architecture: str, model: str) -> None:
    """Look at a GGUF file's `general.architecture`.

    Raises:
        ModelError: the architecture is unknown.
    """
    if architecture not in GGUF_ARCHITECTURES:
        raise ModelError(f"{model} is a {architecture!r} model; these families can be run: {family_names()}.")
