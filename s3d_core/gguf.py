"""GGUF files: unpacked once through transformers into a safetensors folder beside the file.

Reading a GGUF vocabulary and dequantizing takes many seconds at every start; a safetensors
folder is mapped into memory in one or two. The folder is made in whole or not at all, and made
anew when the file changed.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import SafetensorError

from s3d_core.errors import ModelError

Progress = Callable[[str, float], None]

_STAMP = "unpacked-from.json"


def unpacked(path: Path, dtype: torch.dtype, progress: Progress) -> Path:
    """The safetensors folder of a GGUF file in a precision, made first where it is missing.

    Raises:
        ModelError: the file is damaged, of an unknown family, or the disk is too full.
    """
    name = str(dtype).removeprefix("torch.")
    folder = path.with_name(f"{path.stem}.{name}")
    source = {"bytes": path.stat().st_size, "mtime_ns": path.stat().st_mtime_ns}
    try:
        if json.loads((folder / _STAMP).read_text()) == source:
            return folder
    except (OSError, ValueError):
        pass  # not made yet, or not wholly
    progress("Checking the file", 0.05)
    values = _check(path)
    needed = values * dtype.itemsize + 50_000_000
    if shutil.disk_usage(path.parent).free < needed:
        raise ModelError(
            f"Unpacking {path.name} needs {needed / 1e9:.1f} GB in {path.parent}; free some disk space and try again."
        )
    progress("Unpacking the model, this once", 0.1)
    staged = folder.with_name(folder.name + ".part")
    shutil.rmtree(staged, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)
    try:
        _unpack(path, dtype, staged)
        (staged / _STAMP).write_text(json.dumps(source))
        staged.replace(folder)
    except (OSError, SafetensorError) as error:  # safetensors has its own for a disk that is full
        shutil.rmtree(staged, ignore_errors=True)
        reason = getattr(error, "strerror", None) or error
        raise ModelError(f"{path.name} cannot be unpacked in {path.parent}: {reason}.") from error
    return folder


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


def _unpack(path: Path, dtype: torch.dtype, folder: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    options = {"gguf_file": path.name, "local_files_only": True, "trust_remote_code": False}
    try:
        tokenizer = AutoTokenizer.from_pretrained(path.parent, **options)
        model = AutoModelForCausalLM.from_pretrained(
            path.parent, dtype=dtype, quantization_config=GgufConfig(dequantize=True), **options
        )
    except MemoryError as error:
        raise ModelError(f"{path.name} does not fit into the memory of this machine.") from error
    except BaseException as error:  # transformers raises many kinds, and a panic in Rust is no Exception
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise
        reason = str(error).strip().splitlines()[:1]
        raise ModelError(f"{path.name} cannot be read as a model ({reason[0] if reason else error!r}).") from error
    tokenizer.save_pretrained(folder)
    model.save_pretrained(folder)
