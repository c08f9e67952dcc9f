"""Tells whether a model file is whole by its own header, without reading its weights.

Both formats say at their start where every tensor lies, so a file that is shorter than they say
was cut off, as by a download that broke.
"""

import json
import os
import struct
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

from s3d_core.errors import ModelError
from s3d_core.trust import weight_files

_LONGEST_HEADER = 1 << 30
_MOST_DIMENSIONS = 8

# GGUF value types: the struct format of each fixed-size one.
_FIXED = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY, _UINT32 = 8, 9, 4

# GGML tensor types: (elements in a block, type -> bytes of a block).
_BLOCKS = (
    (1, {0: 4, 1: 2, 24: 1, 25: 2, 26: 4, 27: 8, 28: 8, 30: 2}),
    (32, {2: 18, 3: 20, 6: 22, 7: 24, 8: 34, 9: 40, 20: 18, 39: 17}),
    (64, {40: 36}),
    (128, {41: 18}),
    (256, {10: 84, 11: 110, 12: 144, 13: 176, 14: 210, 15: 292, 16: 66, 17: 74, 18: 98, 19: 50}),
    (256, {21: 110, 22: 82, 23: 136, 29: 56, 34: 54, 35: 66}),
)
_BLOCK_OF_TYPE = {kind: (block, size) for block, sizes in _BLOCKS for kind, size in sizes.items()}


class HeaderError(Exception):
    """The header ends too early or makes no sense."""


# What a header that makes no sense may lead to: Python's own errors for a wrong kind, key, number or nesting.
_UNREADABLE: tuple[type[Exception], ...] = (HeaderError, struct.error, ValueError, LookupError, TypeError)
_UNREADABLE += (AttributeError, OverflowError, RecursionError)


def gguf_header(path: Path) -> tuple[dict[str, Any], list[str]]:
    """What a GGUF file says of itself by key, and its tensors' names; of an array only its length is given.

    Raises:
        HeaderError, OSError, struct.error, ValueError, KeyError: it cannot be read as such a file.
    """
    with path.open("rb") as file:
        if _read(file, 4) != b"GGUF":
            raise HeaderError
        version, tensors, values = struct.unpack("<IQQ", _read(file, 20))
        size = path.stat().st_size
        if version not in (2, 3) or tensors > size or values > size:
            raise HeaderError
        found = {}
        for _ in range(values):
            key = _string(file).decode()
            found[key] = _value(file, _number(file, "I"))
        names = []
        for _ in range(tensors):
            names.append(_string(file).decode())
            file.seek(8 * _number(file, "I") + 12, os.SEEK_CUR)
    return found, names


def check_file(path: Path) -> None:
    """Check a `.gguf` or `.safetensors` file.

    Raises:
        ModelError: it cannot be read, is another kind of file, or was cut off.
    """
    try:
        status = path.stat()
        if path.suffix.lower() == ".gguf":
            needed = _gguf_bytes(str(path), status.st_size, status.st_mtime_ns)
        else:
            needed = _safetensors_bytes(str(path), status.st_size, status.st_mtime_ns)
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror or error}.") from error
    except _UNREADABLE as error:
        raise ModelError(f"{path} is damaged or is not a model file; fetch it again.") from error
    if status.st_size < needed:
        raise ModelError(f"{path} was cut off: {status.st_size:,} of {needed:,} bytes are there; fetch it again.")


def gguf_architecture(path: Path) -> str:
    """What a GGUF file says of its family; "" if it says nothing.

    Raises:
        ModelError: it is damaged.
    """
    check_file(path)
    return str(gguf_header(path)[0].get("general.architecture", ""))


def check_folder(folder: Path) -> None:
    """Check a folder with `config.json` and safetensors.

    Raises:
        ModelError: something is missing or was cut off.
    """
    if not (folder / "config.json").is_file():
        raise ModelError(f"{folder} is no model folder: it has no config.json; choose one with safetensors files.")
    names = weight_files(folder)
    for name in names:
        if not (folder / name).is_file():
            raise ModelError(f"{folder} is not whole: {name} is missing; fetch the model again.")
        check_file(folder / name)


@lru_cache(maxsize=256)
def _safetensors_bytes(path: str, size: int, changed_ns: int) -> int:
    with Path(path).open("rb") as file:
        length = struct.unpack("<Q", _read(file, 8))[0]
        if length > min(size, _LONGEST_HEADER):
            raise HeaderError
        header = json.loads(_read(file, length))
    tensors = (tensor for name, tensor in header.items() if name != "__metadata__")
    return 8 + length + max((tensor["data_offsets"][1] for tensor in tensors), default=0)


@lru_cache(maxsize=256)
def _gguf_bytes(path: str, size: int, changed_ns: int) -> int:
    with Path(path).open("rb") as file:
        if _read(file, 4) != b"GGUF":
            raise HeaderError
        version, tensors, values = struct.unpack("<IQQ", _read(file, 20))
        if version not in (2, 3) or tensors > size or values > size:
            raise HeaderError
        alignment = 32
        for _ in range(values):
            key = _string(file)
            kind = _number(file, "I")
            if key == b"general.alignment" and kind == _UINT32:
                alignment = max(1, _number(file, "I"))
            else:
                _skip(file, kind)
        ends = [_tensor_end(file) for _ in range(tensors)]
        data = -(-file.tell() // alignment) * alignment
    return data + max(ends, default=0)


def _read(file: BinaryIO, count: int) -> bytes:
    content = file.read(count)
    if len(content) != count:
        raise HeaderError
    return content


def _number(file: BinaryIO, kind: str) -> int:
    return struct.unpack("<" + kind, _read(file, struct.calcsize("<" + kind)))[0]


def _string(file: BinaryIO) -> bytes:
    length = _number(file, "Q")
    if length > _LONGEST_HEADER:
        raise HeaderError
    return _read(file, length)


def _value(file: BinaryIO, kind: int) -> Any:
    if kind == _STRING:
        return _string(file).decode(errors="replace")
    if kind != _ARRAY:
        return _number(file, _FIXED[kind])
    at = file.tell()
    _, count = _number(file, "I"), _number(file, "Q")
    file.seek(at)
    _skip(file, kind)
    return count


def _skip(file: BinaryIO, kind: int) -> None:
    if kind == _STRING:
        _string(file)
    elif kind == _ARRAY:
        element, count = _number(file, "I"), _number(file, "Q")
        if element in _FIXED:
            bytes_in_array = count * struct.calcsize("<" + _FIXED[element])
            if bytes_in_array > _LONGEST_HEADER:
                raise HeaderError
            _read(file, bytes_in_array)
        else:
            for _ in range(count):
                _skip(file, element)
    else:
        _read(file, struct.calcsize("<" + _FIXED[kind]))


def _tensor_end(file: BinaryIO) -> int:
    _string(file)
    elements, dimensions = 1, _number(file, "I")
    if dimensions > _MOST_DIMENSIONS:
        raise HeaderError
    for _ in range(dimensions):
        elements *= _number(file, "Q")
    kind, offset = _number(file, "I"), _number(file, "Q")
    # Of a type made after this was written, only the start is known.
    block, size = _BLOCK_OF_TYPE.get(kind, (1, 0))
    return offset + -(-elements // block) * size
