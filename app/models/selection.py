"""Which files of a repo make a model that can be run: safetensors with what belongs to them, or one GGUF file."""

import re

from app.models.hub import Listing, RemoteFile
from app.models.wanted import Wanted
from s3d_core.errors import ModelError
from s3d_core.trust import is_inside

_BESIDE = re.compile(
    r"(generation_config|tokenizer|tokenizer_config|special_tokens_map|added_tokens|vocab|chat_template)\.json"
    r"|merges\.txt|chat_template\.jinja|tokenizer\.model|(LICENSE|LICENCE|NOTICE|USE_POLICY)(\.(md|txt))?"
)
_SHARD = re.compile(r"model-\d+-of-\d+\.safetensors")
_GGUF_SHARD = re.compile(r"-\d+-of-\d+\.gguf$", re.IGNORECASE)
_INDEX = "model.safetensors.index.json"


def choose(listing: Listing, wanted: Wanted) -> tuple[RemoteFile, ...]:
    """The files to fetch, in order: what tells whether the model can be run comes first, weights last.

    Raises:
        ModelError: there is nothing in the repo that can be run, or a choice is needed.
    """
    files = {file.path: file for file in listing.files if is_inside(file.path)}
    if wanted.file:
        if wanted.file not in files:
            raise ModelError(f"{listing.repo} has no file {wanted.file}{_offer(files)}.")
        return (files[wanted.file],)
    weights = _weights(files)
    if weights:
        if "config.json" not in files:
            raise ModelError(f"{listing.repo} has no config.json, so it is no model that can be run.")
        beside = sorted(path for path in files if _BESIDE.fullmatch(path))
        index = [_INDEX] if any(_SHARD.fullmatch(path) for path in weights) else []
        return tuple(files[path] for path in ["config.json", *index, *beside, *weights])
    ggufs = [path for path in files if path.lower().endswith(".gguf")]
    if len(ggufs) == 1 and not _GGUF_SHARD.search(ggufs[0]):
        return (files[ggufs[0]],)
    if ggufs:
        raise ModelError(f"{listing.repo} holds several models{_offer(files)}.")
    raise ModelError(
        f"{listing.repo} holds no safetensors weights and no GGUF file; other formats can run code and are refused."
    )


def _weights(files: dict[str, RemoteFile]) -> list[str]:
    if _INDEX in files:
        return sorted(path for path in files if _SHARD.fullmatch(path))
    if "model.safetensors" in files:
        return ["model.safetensors"]
    return []


def _offer(files: dict[str, RemoteFile]) -> str:
    ggufs = sorted(path for path in files if path.lower().endswith(".gguf") and not _GGUF_SHARD.search(path))
    if not ggufs:
        return ""
    more = f" and {len(ggufs) - 8} more" if len(ggufs) > 8 else ""
    return f"; add one of these to its name: {', '.join(ggufs[:8])}{more}"
