"""A GGUF file's weights written anew in another format, so that llama.cpp can be measured on it.

Everything but the weights is copied as it is; the weights are dequantized and written as Q4_1, Q8_0 or
bfloat16. Norms and other vectors stay float32, as llama.cpp wants them.
"""

import json
import math
from collections import Counter
from pathlib import Path

from s3d_core.errors import ModelError, SettingError

FORMATS = ("q4_1", "q8_0", "bf16")


def in_format(path: Path, wanted: str, folder: Path) -> Path:
    """The GGUF file in a format: itself where most of its weights are in it, else one in `folder`, made if need be.

    Args:
        wanted: one of `FORMATS`.

    Raises:
        SettingError: the model is no GGUF file.
        ModelError: the file cannot be read, or the new one not be written.
    """
    if path.suffix.lower() != ".gguf":
        raise SettingError("llama.cpp reads GGUF files only; choose such a model, or leave out llama.")
    stat = path.stat()
    source = {"bytes": stat.st_size, "mtime_ns": stat.st_mtime_ns}
    made, stamp = folder / f"{path.stem}.{wanted}.gguf", folder / f"{path.stem}.{wanted}.json"
    try:
        known = json.loads(stamp.read_text(encoding="utf-8"))
        found = path if known.pop("is_itself") else made
        if known == source and found.exists():
            return found
    except (OSError, ValueError, KeyError, AttributeError):
        pass  # it is looked at, and written, once more
    try:
        folder.mkdir(parents=True, exist_ok=True)
        stamp.unlink(missing_ok=True)
        is_itself = main_format(path) == wanted
        if not is_itself:
            _write(path, wanted, made)
        stamp.write_text(json.dumps(source | {"is_itself": is_itself}), encoding="utf-8")
    except OSError as error:
        raise ModelError(f"{made} cannot be written: {error.strerror or error}.") from error
    except (ValueError, KeyError, IndexError, NotImplementedError) as error:
        raise ModelError(f"{path.name} cannot be written in {wanted} ({error}); leave out llama-{wanted}.") from error
    return path if is_itself else made


def main_format(path: Path) -> str:
    """The format that most bytes of a GGUF file's weights are in, such as "q4_1"."""
    from gguf import GGUFReader

    held: Counter[str] = Counter()
    for tensor in GGUFReader(path).tensors:
        held[tensor.tensor_type.name.lower()] += int(tensor.n_bytes)
    return held.most_common(1)[0][0]


def _write(path: Path, wanted: str, made: Path) -> None:
    """A tensor at a time: laid out first, then dequantized and written."""
    import gguf
    import numpy as np
    from gguf import GGMLQuantizationType as Kind

    reader = gguf.GGUFReader(path)
    kinds = {"q4_1": Kind.Q4_1, "q8_0": Kind.Q8_0, "bf16": Kind.BF16}
    files = {"q4_1": gguf.LlamaFileType.MOSTLY_Q4_1, "q8_0": gguf.LlamaFileType.MOSTLY_Q8_0}
    part = made.with_suffix(".part")
    writer = gguf.GGUFWriter(part, str(reader.fields["general.architecture"].contents()))
    for name, field in reader.fields.items():
        if not name.startswith("GGUF.") and name not in ("general.architecture", "general.file_type"):
            inner = field.types[-1] if field.types[0] == gguf.GGUFValueType.ARRAY else None
            writer.add_key_value(name, field.contents(), field.types[0], inner)
    writer.add_file_type(files.get(wanted, gguf.LlamaFileType.MOSTLY_BF16))

    def kind_of(tensor) -> Kind:
        # Q4_1 and Q8_0 are blocks of 32 numbers.
        is_matrix = len(tensor.shape) > 1 and tensor.shape[0] % 32 == 0
        return kinds[wanted] if is_matrix else Kind.F32

    for tensor in reader.tensors:
        block, size = gguf.GGML_QUANT_SIZES[kind_of(tensor)]
        shape = tuple(int(n) for n in reversed(tensor.shape))
        length = math.prod(shape) // block * size
        writer.add_tensor_info(tensor.name, shape, np.dtype(np.float32), length, raw_dtype=kind_of(tensor))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for tensor in reader.tensors:
        values = gguf.dequantize(tensor.data, tensor.tensor_type)
        writer.write_tensor_data(gguf.quantize(values, kind_of(tensor)))
    writer.close()
    part.replace(made)
