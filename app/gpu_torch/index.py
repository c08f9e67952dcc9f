"""What a package index lists: the files of a project and their SHA-256 digests.

Both forms of the "simple" index are read: JSON (PEP 691), and HTML (PEP 503, with the metadata of PEP 658), which is
what PyTorch's own index speaks.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

from app.gpu_torch.errors import GpuTorchError
from app.models import hub
from app.models.hub_errors import TransientError, by_connection

_ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"
_MOST_BYTES = 64_000_000
_TIMEOUT = 15.0
_LOCAL = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Wheel:
    """A file that an index lists.

    Attributes:
        sha256: its digest; "" where the index does not tell.
        bytes: its size; 0 where the index does not tell.
        metadata: where its metadata can be read alone, and its digest; "" where it cannot.
    """

    name: str
    address: str
    sha256: str
    bytes: int = 0
    metadata: str = ""
    metadata_sha256: str = ""


def host(address: str) -> str:
    """Whose address it is, for a sentence."""
    return urlsplit(address).netloc or address


def client() -> Any:
    """A client of HTTP; close it. It heeds the system's proxies and certificates."""
    import httpx2

    return httpx2.Client(follow_redirects=True, timeout=_TIMEOUT, headers={"User-Agent": "s3d-chat"})


@contextmanager
def translated(address: str) -> Iterator[None]:
    """Errors of the client come out as one sentence.

    Raises:
        TransientError: it may pass. GpuTorchError: it will not.
    """
    import httpx2

    check_address(address)
    try:
        yield
    except httpx2.HTTPStatusError as error:
        status = error.response.status_code
        if status in (408, 425, 429) or status >= 500:
            raise TransientError(f"{host(address)} cannot answer now (HTTP {status}).") from error
        raise GpuTorchError(f"{host(address)} does not have {urlsplit(address).path} (HTTP {status}).") from error
    except httpx2.InvalidURL as error:
        raise GpuTorchError(f"{address} is not the address of a package index: mend S3D_TORCH_INDEX.") from error
    except httpx2.HTTPError as error:
        raise by_connection(error, host(address)) from error


def check_address(address: str) -> None:
    """Only encrypted connections count, so that the digests are the index's own.

    Raises:
        GpuTorchError: it is another kind of address. HubError: offline mode is on.
    """
    hub.check_online()
    parts = urlsplit(address)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOCAL):
        raise GpuTorchError(f"{address} is not an https address, so nothing is fetched from there.")


def read(web: Any, address: str, accept: str = "*/*") -> tuple[bytes, str, str]:
    """A small document: its bytes, its kind, and the address at which it was found at last."""
    with translated(address), web.stream("GET", address, headers={"Accept": accept}) as response:
        response.raise_for_status()
        body = b""
        for chunk in response.iter_bytes():
            body += chunk
            if len(body) > _MOST_BYTES:
                raise GpuTorchError(f"{host(address)} sends something else than a package index.")
        return body, response.headers.get("content-type", ""), str(response.url)


def wheels(web: Any, index: str, project: str) -> list[Wheel]:
    """The wheels of a project.

    Raises:
        GpuTorchError: the index has none. TransientError: it cannot answer now.
    """
    body, kind, address = read(web, f"{index}/{project}/", _ACCEPT)
    try:
        found = _of_json(body, address) if "json" in kind else _of_html(body.decode("utf-8", "replace"), address)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise TransientError(f"{host(index)} gave an answer that makes no sense; try again later.") from error
    return [wheel for wheel in found if wheel.name.endswith(".whl")]


def checked_document(web: Any, address: str, sha256: str) -> str:
    """The text of a small document whose digest is known.

    Raises:
        GpuTorchError: it is another one.
    """
    body, _, _ = read(web, address)
    if hashlib.sha256(body).hexdigest() != sha256:
        raise GpuTorchError(f"{address} is not what {host(address)} lists; try again later.")
    return body.decode("utf-8", "replace")


def size(web: Any, address: str) -> int:
    """How long a file is, by its headers."""
    with translated(address):
        response = web.head(address, headers={"Accept-Encoding": "identity"})
        response.raise_for_status()
    said = response.headers.get("content-length", "")
    if not said.isdigit():
        raise GpuTorchError(f"{host(address)} does not tell how long {address} is.")
    return int(said)


def _of_json(body: bytes, base: str) -> list[Wheel]:
    found = []
    for file in json.loads(body)["files"]:
        if file.get("yanked"):
            continue
        address = urljoin(base, file["url"])
        meta = file.get("core-metadata", file.get("dist-info-metadata"))
        digest = str(meta.get("sha256", "")) if isinstance(meta, dict) else ""
        found.append(
            Wheel(
                str(file["filename"]),
                address,
                str(file["hashes"].get("sha256", "")),
                int(file.get("size") or 0),
                address + ".metadata" if digest else "",
                digest,
            )
        )
    return found


def _of_html(text: str, base: str) -> list[Wheel]:
    page = _Page(base)
    page.feed(text)
    return page.found


class _Page(HTMLParser):
    """Each link is a file; its digest stands behind the # of its address."""

    def __init__(self, base: str):
        super().__init__()
        self._base = base
        self.found: list[Wheel] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "base" and given.get("href"):
            self._base = urljoin(self._base, str(given["href"]))
        if tag != "a" or not given.get("href") or "data-yanked" in given:
            return
        address, _, fragment = urljoin(self._base, str(given["href"])).partition("#")
        name = unquote(urlsplit(address).path.rpartition("/")[2])
        kind, _, digest = fragment.partition("=")
        said = given.get("data-core-metadata") or given.get("data-dist-info-metadata") or ""
        meta = said.removeprefix("sha256=") if said.startswith("sha256=") else ""
        self.found.append(
            Wheel(name, address, digest if kind == "sha256" else "", 0, address + ".metadata" if meta else "", meta)
        )
