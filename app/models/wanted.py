"""What a user asks the hub for: a repo, perhaps at a revision, perhaps one file of it."""

import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from s3d_core.errors import ModelError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}")


@dataclass(frozen=True)
class Wanted:
    """Attributes:
    repo: "owner/name".
    revision: branch, tag or commit; what it means is pinned when the download begins.
    file: the one GGUF file wanted; None for what makes a whole model.
    """

    repo: str
    revision: str = "main"
    file: str | None = None

    def __str__(self) -> str:
        at = "" if self.revision == "main" else f"@{self.revision}"
        return self.repo + at + (f"/{self.file}" if self.file else "")

    @property
    def name(self) -> str:
        """What the model is called once it is here."""
        if self.file:
            return self.file.rpartition("/")[2].removesuffix(".gguf")
        return self.repo.partition("/")[2]


def parse(text: str) -> Wanted:
    """Read "owner/name", "owner/name@revision", "owner/name/file.gguf", or the address of a repo or file on a hub.

    Raises:
        ModelError: it is none of these.
    """
    given = text.strip()
    if "://" in given:
        given = unquote(urlsplit(given).path)
    parts = [part for part in given.strip("/").split("/") if part]
    revision = "main"
    if len(parts) > 3 and parts[2] in ("resolve", "blob", "tree"):
        revision = parts[3]
        parts[2:4] = []
    if len(parts) >= 2 and "@" in parts[1]:
        parts[1], _, revision = parts[1].partition("@")
    rest = "/".join(parts[2:])
    well_formed = len(parts) >= 2 and all(_is_name(part) for part in parts[:2]) and revision and ".." not in rest
    if not well_formed or (rest and not rest.lower().endswith(".gguf")):
        raise ModelError(
            f"{text.strip()!r} is no model on the hub: give it as owner/name, as in microsoft/Phi-3-mini-4k-instruct, "
            "or as owner/name/file.gguf."
        )
    return Wanted("/".join(parts[:2]), revision, rest or None)


def _is_name(part: str) -> bool:
    return bool(_NAME.fullmatch(part)) and ".." not in part and "--" not in part
