"""A tokenizer's file, read in steps.

`tokenizers` reads one in a single call that holds Python's lock: 0.1 s for 50,000 tokens on a quiet machine, three
times that on a busy one, in which the window stands still. The steps take as long together and give the same
tokenizer, but let others in between them. transformers reads the same file as JSON beside that, likewise at once.
"""

import contextlib
import json
from collections.abc import Iterator
from copy import deepcopy
from itertools import groupby
from pathlib import Path
from typing import Any, TextIO

from tokenizers import AddedToken, Tokenizer
from tokenizers.models import BPE

from s3d_core import json_steps

_OPTIONS = {
    *("dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix"),
    *("fuse_unk", "byte_fallback", "ignore_merges"),
}
_ADDED = ("single_word", "lstrip", "rstrip", "normalized", "special")


@contextlib.contextmanager
def in_steps() -> Iterator[None]:
    """Inside, transformers reads tokenizers' files by `read`, and their JSON by `json_steps`."""
    from transformers import tokenization_utils_base as base
    from transformers import tokenization_utils_tokenizers as reader

    files = _Files()
    reader.TokenizerFast, base.json = _Steps(files), _JsonSteps(files)
    try:
        yield
    finally:
        reader.TokenizerFast, base.json = Tokenizer, json


def read(path: str, files: "_Files | None" = None) -> Tokenizer:
    """What `Tokenizer.from_file` gives, errors included."""
    with contextlib.suppress(Exception):  # of another kind, or damaged: the library says how
        if (built := _built((files or _Files()).of(path))) is not None:
            return built
    return Tokenizer.from_file(path)


class _Files:
    """The JSON of files, each read once."""

    def __init__(self) -> None:
        self._read: dict[str, Any] = {}

    def of(self, path: str) -> Any:
        if path not in self._read:
            # Not `read_text`, whose search for line ends would hold Python's lock for as long as a frame may take.
            self._read[path] = json_steps.loads(Path(path).read_bytes().decode())
        return self._read[path]


class _Steps:
    """Stands for `Tokenizer` where transformers makes one."""

    from_str = staticmethod(Tokenizer.from_str)

    def __init__(self, files: _Files):
        self._files = files

    def from_file(self, path: str) -> Tokenizer:
        return read(path, self._files)

    def __call__(self, *given: Any) -> Tokenizer:
        return Tokenizer(*given)


class _JsonSteps:
    """Stands for `json` where transformers reads a tokenizer's files."""

    def __init__(self, files: _Files):
        self._files = files

    def load(self, file: TextIO) -> Any:
        with contextlib.suppress(ValueError):  # damaged: the library says how
            found = self._files.of(file.name)
            if isinstance(found, dict) and "added_tokens" in found:  # which are taken apart
                return found | {"added_tokens": deepcopy(found["added_tokens"])}
            return deepcopy(found)
        return json.load(file)

    def __getattr__(self, name: str) -> Any:
        return getattr(json, name)


def _built(given: dict[str, Any]) -> Tokenizer | None:
    """The tokenizer that a file describes; None where it is of a kind that is not read in steps."""
    model = dict(given["model"])
    vocabulary, merges = model.pop("vocab"), model.pop("merges", None)
    if model.pop("type", None) != "BPE" or not set(model) <= _OPTIONS:
        return None
    empty = {"type": "BPE", **model, "vocab": {}, "merges": []}
    tokenizer = Tokenizer.from_str(json.dumps(given | {"model": empty, "added_tokens": []}))
    pairs = [tuple(merge.split(" ") if isinstance(merge, str) else merge) for merge in merges]
    tokenizer.model = BPE(vocabulary, pairs, **{name: value for name, value in model.items() if value is not None})
    added = given.get("added_tokens") or []
    for special, some in groupby(added, key=lambda token: token["special"]):
        tokens = [AddedToken(token["content"], **{name: token[name] for name in _ADDED}) for token in some]
        (tokenizer.add_special_tokens if special else tokenizer.add_tokens)(tokens)
    same = all(tokenizer.token_to_id(token["content"]) == token["id"] for token in added)
    return tokenizer if same else None
