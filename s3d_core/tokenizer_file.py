"""A tokenizer's file, read in steps.

`tokenizers` reads one in a single call that holds Python's lock: 0.1 s for 50,000 tokens on a quiet machine, three
times that on a busy one, in which the window stands still. The steps take as long together and give the same
tokenizer, but let others in between them.
"""

import contextlib
import json
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer
from tokenizers.models import BPE

_OPTIONS = {
    *("dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix"),
    *("fuse_unk", "byte_fallback", "ignore_merges"),
}
_ADDED = ("single_word", "lstrip", "rstrip", "normalized", "special")


@contextlib.contextmanager
def in_steps() -> Iterator[None]:
    """Inside, transformers reads tokenizers' files by `read`."""
    from transformers import tokenization_utils_tokenizers as reader

    reader.TokenizerFast = _Steps()
    try:
        yield
    finally:
        reader.TokenizerFast = Tokenizer


def read(path: str) -> Tokenizer:
    """What `Tokenizer.from_file` gives, errors included."""
    with contextlib.suppress(Exception):  # of another kind, or damaged: the library says how
        if (built := _built(json.loads(Path(path).read_text(encoding="utf-8")))) is not None:
            return built
    return Tokenizer.from_file(path)


class _Steps:
    """Stands for `Tokenizer` where transformers makes one."""

    from_file = staticmethod(read)
    from_str = staticmethod(Tokenizer.from_str)

    def __call__(self, *given: Any) -> Tokenizer:
        return Tokenizer(*given)


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
