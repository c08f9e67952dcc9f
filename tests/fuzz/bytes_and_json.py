"""Values that a hostile or broken file may hold."""

import json
import struct

from hypothesis import strategies as st

# Numbers at the edges of what readers reckon with.
NUMBERS = st.one_of(
    st.sampled_from([0, 1, -1, 2**31, 2**32 - 1, 2**63, 2**64, 10**30, 0.5, float("inf"), float("nan"), True]),
    st.integers(-(2**70), 2**70),
    st.floats(),
)
LEAVES = st.one_of(st.none(), st.booleans(), NUMBERS, st.text(max_size=20))
JSON = st.recursive(
    LEAVES,
    lambda inside: st.one_of(st.lists(inside, max_size=4), st.dictionaries(st.text(max_size=10), inside, max_size=4)),
    max_leaves=12,
)


@st.composite
def damaged(draw, whole: bytes, limit: int = 4096) -> bytes:
    """A file's bytes with some changed, cut out, put in, or cut off, mostly near its start."""
    content = bytearray(whole)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, min(limit, len(content)) - 1)))
        kind = draw(st.sampled_from(("change", "cut out", "put in", "cut off", "number")))
        if kind == "change":
            content[at : at + 1] = draw(st.binary(min_size=1, max_size=4))
        elif kind == "cut out":
            del content[at : at + draw(st.integers(1, 16))]
        elif kind == "put in":
            content[at:at] = draw(st.binary(min_size=1, max_size=16))
        elif kind == "number":
            content[at : at + 8] = draw(st.sampled_from([b"\0" * 8, b"\xff" * 8, b"\0\0\0\0\0\1\0\0", b"\t\0\0\0" * 2]))
        else:
            del content[at:]
    return bytes(content)


def changed_json(whole: dict) -> st.SearchStrategy:
    """A JSON object with some values changed for any others, some left out and some added, and parts of parts too."""

    @st.composite
    def change(draw, value, depth=0):
        if isinstance(value, dict) and value and depth < 3:
            name = draw(st.sampled_from(sorted(value)))
            kind = draw(st.sampled_from(("inside", "inside", "other", "gone", "new")))
            rest = {key: held for key, held in value.items() if key != name}
            if kind == "gone":
                return rest
            if kind == "new":
                return value | {draw(st.text(max_size=12)): draw(JSON)}
            return rest | {name: draw(JSON) if kind == "other" else draw(change(value[name], depth + 1))}
        if isinstance(value, list) and value and depth < 3 and draw(st.booleans()):
            at = draw(st.integers(0, len(value) - 1))
            return [*value[:at], draw(change(value[at], depth + 1)), *value[at + 1 :]]
        return draw(JSON)

    return st.lists(st.integers(0, 0), min_size=1, max_size=3).flatmap(lambda times: _repeat(change, whole, len(times)))


def _repeat(change, value, times):
    strategy = change(value)
    for _ in range(times - 1):
        strategy = strategy.flatmap(change)
    return strategy


def _gguf() -> bytes:
    """A GGUF file with a value of each shape and two tensors."""

    def text(value: bytes) -> bytes:
        return struct.pack("<Q", len(value)) + value

    values = text(b"general.alignment") + struct.pack("<II", 4, 32)
    values += text(b"name") + struct.pack("<I", 8) + text(b"tiny")
    values += text(b"list") + struct.pack("<IIQ", 9, 4, 3) + bytes(12)
    values += text(b"words") + struct.pack("<IIQ", 9, 8, 2) + text(b"a") + text(b"b")
    values += text(b"lists") + struct.pack("<IIQ", 9, 9, 1) + struct.pack("<IQ", 0, 2) + bytes(2)
    values += text(b"flag") + struct.pack("<IB", 7, 1)
    tensors = (
        text(b"weight") + struct.pack("<IQIQ", 1, 64, 0, 0) + text(b"more") + struct.pack("<IQQIQ", 2, 8, 4, 2, 256)
    )
    header = b"GGUF" + struct.pack("<IQQ", 3, 2, 6) + values + tensors
    return header + bytes(-len(header) % 32) + bytes(512)


def _safetensors() -> bytes:
    header = {
        "__metadata__": {"format": "pt"},
        "a": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]},
        "b": {"dtype": "F32", "shape": [4], "data_offsets": [16, 32]},
    }
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(32)


GGUF, SAFETENSORS = _gguf(), _safetensors()
