"""What a model's folder may hold and name: plain data inside the folder, nothing that runs code. Free of torch."""

import json
from pathlib import Path, PurePosixPath
from typing import Any

from s3d_core.errors import ModelError

INDEX = "model.safetensors.index.json"
# In a folder that was made of the GGUF file beside it: what it was made from.
UNPACKED = "unpacked-from.json"
# Formats that are pickles, or may hold one: reading them can run code of whoever made them.
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib", ".h5", ".keras", ".msgpack")
# Far above every known model; transformers would build layers without end.
_BOUNDS = {
    "num_hidden_layers": 1000,
    "hidden_size": 1 << 20,
    "intermediate_size": 1 << 22,
    "num_attention_heads": 1 << 14,
    "num_key_value_heads": 1 << 14,
    "head_dim": 1 << 14,
    "vocab_size": 1 << 24,
    "max_position_embeddings": 1 << 30,
}


def is_inside(name: str) -> bool:
    """Whether a file's name, as a model states it, is a path that stays in the model's folder on every system."""
    path = PurePosixPath(name)
    strange = any(sign in name for sign in "\\:\0")
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts and not strange


def read_json(path: Path) -> Any:
    """A JSON file's content.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no JSON, or nested without end.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def refuse_pickle(path: Path) -> None:
    """Refuse a file that is a pickle by its name.

    Raises:
        ModelError: it is one.
    """
    if path.suffix.lower() in PICKLES:
        raise ModelError(
            f"{path.name} is of a format that can run code when it is read, so it is refused; "
            "choose a .gguf file or a folder with safetensors."
        )


def weight_files(folder: Path) -> list[str]:
    """The names of a folder's safetensors files: those that its index names, or all.

    Raises:
        ModelError: there are none, or the index names a file outside the folder or of another format.
    """
    index = folder / INDEX
    names: list[str] = sorted(file.name for file in folder.glob("*.safetensors"))
    if index.is_file():
        try:
            stated = set(read_json(index)["weight_map"].values())
            if not all(isinstance(name, str) for name in stated):
                raise TypeError("a name that is no text")
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelError(f"{index} is damaged; fetch the model again.") from error
        for name in sorted(stated):
            if not is_inside(name) or "/" in name or not name.endswith(".safetensors"):
                raise ModelError(
                    f"{index} names {name[:100]!r}, which is no safetensors file of its folder; the model is refused."
                )
        names = sorted(stated)
    if not names:
        others = sorted(file.name for file in folder.iterdir() if file.suffix.lower() in PICKLES)
        found = f" (found: {', '.join(others[:3])})" if others else ""
        raise ModelError(f"{folder} holds no safetensors weights; other formats can run code and are refused{found}.")
    return names


def check_config(folder: Path, architectures: tuple[str, ...], model: str | None = None) -> None:
    """Refuse a folder whose `config.json` is not that of a model of a known family and of a possible size.

    Args:
        model: what the sentences call it; by default as its folder.

    Raises:
        ModelError: it is not.
    """
    model = model or folder.name
    try:
        config = read_json(folder / "config.json")
    except OSError as error:
        raise ModelError(f"{folder} holds no model: its config.json is missing.") from error
    except ValueError as error:
        raise ModelError(f"{folder / 'config.json'} is damaged; fetch the model again.") from error
    names = config.get("architectures") if isinstance(config, dict) else None
    name = names[0] if isinstance(names, list) and names else None
    if not isinstance(name, str) or name not in architectures:
        known = ", ".join(a.removesuffix("ForCausalLM") for a in architectures)
        kind = f"is a {str(name)[:60]} model" if name else "does not say what family it is of"
        raise ModelError(f"{model} {kind}; these families can be run: {known}.")
    for field, most in _BOUNDS.items():
        value = config.get(field)
        if value is not None and (not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= most):
            raise ModelError(f"{folder / 'config.json'} is damaged: its {field} cannot be; fetch the model again.")
    if config.get("quantization_config") is not None:
        raise ModelError(f"{model} holds quantized weights of a kind that cannot be run here; choose its GGUF file.")
