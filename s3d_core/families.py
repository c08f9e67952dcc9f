"""The families of models that can be run. Knows no torch, so that a program can look before it loads anything."""

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


def check_gguf_family(architecture: str, model: str) -> None:
    """Look at a GGUF file's `general.architecture`.

    Raises:
        ModelError: the architecture is unknown.
    """
    if architecture not in GGUF_ARCHITECTURES:
        raise ModelError(f"{model} is a {architecture!r} model; these families can be run: {family_names()}.")
