"""GGUF files: unpacked once through transformers into a safetensors folder beside the file.

Reading a GGUF vocabulary and dequantizing takes many seconds at every start; a safetensors
folder is mapped into memory in one or two. The folder is made in whole or not at all, and made
anew when the file changed.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock
from safetensors import SafetensorError

from s3d_core.errors import ModelError, is_out_of_memory
from s3d_core.trust import UNPACKED

Progress = Callable[[str, float], None]


def unpacked(path: Path, dtype: torch.dtype, progress: Progress) -> Path:
    """The safetensors folder of a GGUF file in a precision, made first where it is missing.

    Raises:
        ModelError: the file is damaged, of an unknown family, or the disk is too full.
    """
    name = str(dtype).removeprefix("torch.")
    folder = path.with_name(f"{path.stem}.{name}")
    if not _is_made(path, folder):
        # Two programs at once would write into the same folder.
        with FileLock(_lock(folder)):
            if not _is_made(path, folder):
                with _told_tensor_by_tensor(progress):
                    _make(path, dtype, folder, progress)
    return folder


def _source(path: Path) -> dict[str, int]:
    return {"bytes": path.stat().st_size, "mtime_ns": path.stat().st_mtime_ns}


def _is_made(path: Path, folder: Path) -> bool:
    """Whether a folder is wholly there, and made from the file as it is now."""
    try:
        return json.loads((folder / UNPACKED).read_text()).items() >= _source(path).items()
    except (OSError, ValueError, AttributeError):
        return False


def _lock(folder: Path) -> Path:
    digest = hashlib.sha256(str(folder.absolute()).encode()).hexdigest()[:16]
    # By number: in a container a user may have no name. On Windows each has a folder of their own.
    owner = os.getuid() if hasattr(os, "getuid") else 0
    return Path(tempfile.gettempdir()) / f"s3d-{owner}-{digest}.lock"


def _make(path: Path, dtype: torch.dtype, folder: Path, progress: Progress) -> None:
    source = _source(path)
    progress("Checking the file", 0.05)
    values = _check(path)
    needed = values * dtype.itemsize + 50_000_000
    if shutil.disk_usage(path.parent).free < needed:
        raise ModelError(
            f"Unpacking {path.name} needs {needed / 1e9:.1f} GB in {path.parent}; free some disk space and try again."
        )
    progress("Unpacking the model, this once", 0.1)
    staged = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(staged, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)
    try:
        _unpack(path, dtype, staged)
        (staged / UNPACKED).write_text(json.dumps(source))
        staged.replace(folder)
    except (OSError, SafetensorError) as error:  # safetensors has its own for a disk that is full
        shutil.rmtree(staged, ignore_errors=True)
        reason = getattr(error, "strerror", None) or error
        raise ModelError(f"{path.name} cannot be unpacked in {path.parent}: {reason}.") from error


def _check(path: Path) -> int:
    """Number of weights, after a look at whether the file holds what its header promises."""
    from gguf import GGUFReader

    damaged = f"{path.name} is damaged or incomplete; fetch it again."
    try:
        tensors = GGUFReader(path).tensors
    except Exception as error:  # the reader raises whatever numpy raises
        raise ModelError(damaged) from error
    if not tensors or max(int(t.data_offset) + int(t.n_bytes) for t in tensors) > path.stat().st_size:
        raise ModelError(damaged)
    return sum(int(t.n_elements) for t in tensors)


def left_out(path: Path, config: dict) -> dict:
    """Settings of a file's rotary embedding and attention that transformers does not read, by their names there.

    Without them a Phi-3 or Llama 3 model writes well at first and ever worse as the text grows.

    Args:
        config: what transformers made of the file.
    """
    from gguf import GGUFReader

    reader = GGUFReader(path)
    family = str(reader.fields["general.architecture"].contents())
    factors = {t.name: t.data.astype(float).tolist() for t in reader.tensors if t.name.startswith("rope_f")}

    def said(name: str) -> Any:
        field = reader.fields.get(f"{family}.{name}")
        return None if field is None else field.contents()

    context = config["max_position_embeddings"]
    found: dict[str, Any] = {}
    rope: dict[str, Any] = {"rope_type": "default", "rope_theta": said("rope.freq_base") or 10000.0}
    if family == "phi3":
        turned = said("rope.dimension_count")
        if turned:
            rope["partial_rotary_factor"] = turned / (config["hidden_size"] // config["num_attention_heads"])
        # Files made before the window was written down are of the models with 4,096 tokens, whose window it is.
        window = said("attention.sliding_window")
        window = 2047 if window is None and context == 4096 else window
        found["sliding_window"] = window or None
        if {"rope_factors_long.weight", "rope_factors_short.weight"} <= factors.keys():
            found["original_max_position_embeddings"] = int(said("rope.scaling.original_context_length") or 4096)
            rope |= {
                "rope_type": "longrope",
                "long_factor": factors["rope_factors_long.weight"],
                "short_factor": factors["rope_factors_short.weight"],
                "original_max_position_embeddings": found["original_max_position_embeddings"],
                "attention_factor": said("rope.scaling.attn_factor"),
            }
    elif "rope_freqs.weight" in factors:
        # Llama 3 divides each frequency by a number of its own: a long rope whose two sets are one.
        both = factors["rope_freqs.weight"]
        rope |= {"rope_type": "longrope", "long_factor": both, "short_factor": both}
        rope |= {"original_max_position_embeddings": context, "attention_factor": 1.0}
    else:
        return found
    return found | {"rope_parameters": rope}


@contextmanager
def _told_tensor_by_tensor(progress: Progress) -> Iterator[None]:
    """While it lasts, transformers' bar over the tensors, which it draws on stderr unasked, is our progress instead.

    What `progress` raises comes out as it is.
    """
    from transformers import modeling_gguf_pytorch_utils as reading

    bar = reading.tqdm
    stopped: list[BaseException] = []

    def told(tensors: Sequence, **options) -> Iterator:
        for done, tensor in enumerate(tensors):
            try:
                progress("Unpacking the model, this once", 0.1 + 0.25 * done / len(tensors))
            except BaseException as error:
                stopped.append(error)
                raise
            yield tensor

    reading.tqdm = told
    try:
        yield
    except ModelError:
        if stopped:
            raise stopped[0] from None
        raise
    finally:
        reading.tqdm = bar


def _unpack(path: Path, dtype: torch.dtype, folder: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    options = {"gguf_file": path.name, "local_files_only": True, "trust_remote_code": False}
    try:
        tokenizer = AutoTokenizer.from_pretrained(path.parent, **options)
        model = AutoModelForCausalLM.from_pretrained(
            path.parent,
            dtype=dtype,
            quantization_config=GgufConfig(dequantize=True),
            attn_implementation="sdpa",
            **options,
        )
    except BaseException as error:  # transformers raises many kinds, and a panic in Rust is no Exception
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise
        if is_out_of_memory(error):
            raise ModelError(f"{path.name} does not fit into the memory of this machine.") from error
        reason = str(error).strip().splitlines()[:1]
        raise ModelError(f"{path.name} cannot be read as a model ({reason[0] if reason else error!r}).") from error
    said = left_out(path, model.config.to_dict())
    for name, value in said.items():
        setattr(model.config, name, value)
    tokenizer.save_pretrained(folder)
    model.save_pretrained(folder)
