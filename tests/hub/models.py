"""Small models for the hub: real files in shape, random in content."""

import json
import random
import struct

from hub.server import Repo

CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "vocab_size": 100,
    "max_position_embeddings": 512,
}


def noise(count: int, seed: int) -> bytes:
    """Bytes that no compression makes shorter."""
    return random.Random(seed).randbytes(count)


def safetensors(count: int, seed: int, name: str = "weight") -> bytes:
    """A safetensors file with one tensor of `count` bytes."""
    header = json.dumps({name: {"dtype": "U8", "shape": [count], "data_offsets": [0, count]}}).encode()
    return struct.pack("<Q", len(header)) + header + noise(count, seed)


def gguf(elements: int, seed: int, architecture: str = "llama") -> bytes:
    """A GGUF file with one float32 tensor."""

    def text(value: str) -> bytes:
        return struct.pack("<Q", len(value)) + value.encode()

    values = text("general.architecture") + struct.pack("<I", 8) + text(architecture)
    tensor = text("weight") + struct.pack("<IQIQ", 1, elements, 0, 0)
    header = b"GGUF" + struct.pack("<IQQ", 3, 1, 1) + values + tensor
    header += bytes(-len(header) % 32)
    return header + noise(4 * elements, seed)


def whole_repo(size: int = 120_000, shards: int = 2, seed: int = 1, **options) -> Repo:
    """A repo with a model of about `size` bytes, and files beside it that are not wanted."""
    each = size // shards
    files = {
        "config.json": json.dumps(CONFIG).encode(),
        "tokenizer.json": json.dumps({"noise": noise(size // 20, seed).hex()}).encode(),
        "LICENSE": b"Do as you like.",
        "README.md": b"# A model\n",
        "pytorch_model.bin": noise(20_000, seed),
        "onnx/model.onnx": noise(20_000, seed),
    }
    if shards == 1:
        files["model.safetensors"] = safetensors(each, seed)
        return Repo(files, **options)
    names = [f"model-{number + 1:05}-of-{shards:05}.safetensors" for number in range(shards)]
    for number, name in enumerate(names):
        files[name] = safetensors(each, seed + number, f"weight{number}")
    index = {"weight_map": {f"weight{number}": name for number, name in enumerate(names)}}
    files["model.safetensors.index.json"] = json.dumps(index).encode()
    return Repo(files, **options)
