"""What a model's memory follows from, read from its configuration alone: no weights, no torch."""

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from app.models import wholeness
from s3d_core.errors import ModelError


@dataclass(frozen=True)
class Shape:
    """The sizes of a model of the Llama family.

    Attributes:
        layers, hidden, intermediate, heads, kv_heads, head_dim, vocabulary: as in its configuration.
        tied: the output head is the embedding.
        biased: the query, key and value projections have biases.
        context_limit: most tokens the model was made for.
    """

    layers: int
    hidden: int
    intermediate: int
    heads: int
    kv_heads: int
    head_dim: int
    vocabulary: int
    tied: bool
    biased: bool
    context_limit: int

    @property
    def embedding(self) -> int:
        """Numbers in the embedding, and in the output head."""
        return self.vocabulary * self.hidden

    @property
    def layer(self) -> int:
        """Numbers in one layer."""
        attended, kept = self.heads * self.head_dim, self.kv_heads * self.head_dim
        attention = self.hidden * (2 * attended + 2 * kept)
        biases = attended + 2 * kept if self.biased else 0
        return attention + biases + 3 * self.hidden * self.intermediate + 2 * self.hidden

    @property
    def parameters(self) -> int:
        """Numbers in the whole model, shared ones counted once."""
        return self.embedding * (1 if self.tied else 2) + self.layers * self.layer + self.hidden

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "Shape":
        """The shape that a `config.json` describes.

        Raises:
            ModelError: a size is missing or is none.
        """
        try:
            heads, hidden = int(config["num_attention_heads"]), int(config["hidden_size"])
            shape = cls(
                layers=int(config["num_hidden_layers"]),
                hidden=hidden,
                intermediate=int(config["intermediate_size"]),
                heads=heads,
                kv_heads=int(config.get("num_key_value_heads") or heads),
                head_dim=int(config.get("head_dim") or hidden // heads),
                vocabulary=int(config["vocab_size"]),
                tied=bool(config.get("tie_word_embeddings", False)),
                biased=bool(config.get("attention_bias", config.get("model_type") == "qwen2")),
                context_limit=int(config["max_position_embeddings"]),
            )
        except (KeyError, TypeError, ValueError, ArithmeticError) as error:  # JSON may hold Infinity
            raise ModelError(f"The model's configuration does not say how large it is ({error}).") from error
        sizes = (shape.layers, shape.hidden, shape.intermediate, shape.heads, shape.kv_heads, shape.vocabulary)
        if min(*sizes, shape.head_dim, shape.context_limit) < 1:
            raise ModelError("The model's configuration gives a size below one; fetch the model again.")
        return shape

    @classmethod
    def of(cls, path: Path) -> "Shape":
        """The shape of an installed model: a folder with `config.json`, or a `.gguf` file.

        Raises:
            ModelError: it cannot be read, or does not say its sizes.
        """
        if path.is_file():
            status = path.stat()
            return _of_gguf(str(path), status.st_size, status.st_mtime_ns)
        try:
            config = json.loads((path / "config.json").read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise ModelError(f"{path / 'config.json'} cannot be read; fetch the model again.") from error
        if not isinstance(config, dict):
            raise ModelError(f"{path / 'config.json'} is damaged; fetch the model again.")
        return cls.from_config(config)


@lru_cache(maxsize=256)
def _of_gguf(path: str, size: int, changed_ns: int) -> Shape:
    try:
        values, tensors = wholeness.gguf_header(Path(path))
    except (wholeness.HeaderError, OSError, struct.error, ValueError, KeyError, TypeError, OverflowError) as error:
        raise ModelError(f"{path} is damaged or is not a model file; fetch it again.") from error
    family = values.get("general.architecture", "")
    names = {
        "num_hidden_layers": "block_count",
        "hidden_size": "embedding_length",
        "intermediate_size": "feed_forward_length",
        "num_attention_heads": "attention.head_count",
        "num_key_value_heads": "attention.head_count_kv",
        "head_dim": "attention.key_length",
        "max_position_embeddings": "context_length",
    }
    config = {ours: values[f"{family}.{theirs}"] for ours, theirs in names.items() if f"{family}.{theirs}" in values}
    config["vocab_size"] = values.get(f"{family}.vocab_size", values.get("tokenizer.ggml.tokens"))
    config["tie_word_embeddings"] = "output.weight" not in tensors
    config["attention_bias"] = any(name.endswith("attn_q.bias") for name in tensors)
    return Shape.from_config(config)
