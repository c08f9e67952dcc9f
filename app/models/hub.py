"""What the hub says about a model: its commit, its licence, and its files with their digests.

Speaks through `huggingface_hub`, so its settings hold: HF_ENDPOINT, HF_HOME, HF_TOKEN, HF_HUB_OFFLINE, and the
proxies and certificates of the system.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from app.models import credentials
from app.models.hub_errors import HubError, TransientError, translated
from app.models.wanted import Wanted

_TIMEOUT = 15.0


@dataclass(frozen=True)
class RemoteFile:
    """One file of a repo at a commit.

    Attributes:
        path: relative to the repo.
        bytes: size.
        sha256: digest, for files in large file storage; else None.
        blob_id: git's SHA-1 of the content, for files in git itself; else None.
    """

    path: str
    bytes: int
    sha256: str | None
    blob_id: str | None


@dataclass(frozen=True)
class Listing:
    """A repo at a commit.

    Attributes:
        commit: 40 hexadecimal digits; whatever happens to the branch, this content stays.
        licence: as the repo states it; "" if it does not.
        gguf_architecture: what the hub read in the header of the repo's GGUF file, or None.
    """

    repo: str
    commit: str
    licence: str
    gated: bool
    files: tuple[RemoteFile, ...]
    gguf_architecture: str | None = None


def endpoint() -> str:
    """The hub's address."""
    from huggingface_hub import constants

    return os.environ.get("HF_ENDPOINT", "").rstrip("/") or constants.ENDPOINT


def host() -> str:
    """The hub's name, for a sentence."""
    return urlsplit(endpoint()).netloc or endpoint()


def is_offline() -> bool:
    """Whether the user wants no traffic."""
    from huggingface_hub import constants

    return constants.is_offline_mode() or os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")


def headers() -> dict[str, str]:
    """What every request carries: who asks, and the user's token if there is one."""
    from huggingface_hub.utils import build_hf_headers

    return build_hf_headers(token=credentials.token() or False, library_name="s3d-chat")


def address(listing: Listing, path: str) -> str:
    """Where a file of a repo is fetched from."""
    from huggingface_hub import hf_hub_url

    return hf_hub_url(listing.repo, path, revision=listing.commit, endpoint=endpoint())


def cached(listing: Listing, path: str) -> Path | None:
    """The same file at the same commit in the cache that other programs share (`HF_HOME`), if it is there."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(listing.repo, path, revision=listing.commit)
    return Path(found) if isinstance(found, str) else None


def look_up(wanted: Wanted) -> Listing:
    """Ask for a repo's commit and files.

    Raises:
        HubError: there is no such repo, it may not be read, or offline mode is on.
        TransientError: the hub cannot answer now.
    """
    check_online()
    from huggingface_hub import HfApi

    api = HfApi(endpoint=endpoint(), token=credentials.token() or False, library_name="s3d-chat")
    with translated(wanted.repo, host(), endpoint()):
        try:
            info = api.model_info(wanted.repo, revision=wanted.revision, files_metadata=True, timeout=_TIMEOUT)
        except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
            raise TransientError(f"{host()} gave an answer that makes no sense; try again later.") from error
    files = []
    for entry in info.siblings or []:
        size = entry.lfs.size if entry.lfs else entry.size
        if size is not None and (entry.lfs or entry.blob_id):
            sha256 = entry.lfs.sha256 if entry.lfs else None
            files.append(RemoteFile(entry.rfilename, size, sha256, None if sha256 else entry.blob_id))
    if not info.sha or not files:
        raise TransientError(f"{host()} gave an answer without files for {wanted.repo}; try again later.")
    card = info.card_data.to_dict() if info.card_data else {}
    licence = str(card.get("license_name") or card.get("license") or "")
    gguf = info.gguf.get("architecture") if isinstance(info.gguf, dict) else None
    return Listing(wanted.repo, info.sha, licence, bool(info.gated), tuple(files), gguf)


def check_online() -> None:
    """Raises:
    HubError: offline mode is on.
    """
    if is_offline():
        raise HubError("Offline mode is on (HF_HUB_OFFLINE), so nothing is fetched: unset it and try again.")
