"""The models that are offered by name: `resources/catalogue.json`, checked when it is read.

Shapes, parameter counts, contexts and licences are what their publishers state. A revision and files are given only
where they were verified; where they are null, the hub is asked when a download begins, and what it lists then, commit
and digests, is pinned in the download's journal and in the model's manifest.
"""

import json
import re
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

from app.models.hub import Listing
from app.models.shape import Shape
from app.models.wanted import Wanted, parse
from s3d_core.errors import ModelError
from s3d_core.families import ARCHITECTURES

PATH = Path(__file__).resolve().parents[2] / "resources" / "catalogue.json"
PRECISIONS = ("float32", "bfloat16", "float16")

_FORMAT = 1
_DIGEST = re.compile(r"[0-9a-f]{64}")
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class CatalogueFile:
    """A file of a pinned revision: its path, size, and SHA-256 in hexadecimal."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class CatalogueEntry:
    """A model that is offered.

    Attributes:
        name: what it is called here. repo: "owner/name" on the hub.
        revision: 40 hexadecimal digits, or None: what the hub has when the download begins.
        files: those of the revision, or None: as the hub lists them.
        precision: what it is best run in. parameters: their number. shape: its sizes, and its longest context.
        gated: its terms have to be accepted, and a token is asked for.
        embedded: it comes with the program and is not fetched from the hub.
    """

    name: str
    repo: str
    revision: str | None
    files: tuple[CatalogueFile, ...] | None
    architecture: str
    about: str
    licence: str
    gated: bool
    embedded: bool
    precision: str
    parameters: int
    shape: Shape

    @property
    def wanted(self) -> Wanted:
        """What is asked of the hub."""
        return Wanted(self.repo, self.revision or "main")


@lru_cache(maxsize=1)
def load() -> tuple[CatalogueEntry, ...]:
    """All entries, in the order in which they are offered.

    Raises:
        ModelError: the file is damaged; the sentence says where.
    """
    return read(PATH)


def find(name: str) -> CatalogueEntry | None:
    """The entry of this name or repo, in any case."""
    wanted = name.strip().lower()
    return next((entry for entry in load() if wanted in (entry.name.lower(), entry.repo.lower())), None)


def check(listing: Listing) -> None:
    """Compare what the hub lists with what the catalogue knows of the same commit.

    Raises:
        ModelError: a file differs.
    """
    entry = find(listing.repo)
    if entry is None or entry.files is None or entry.revision != listing.commit:
        return
    listed = {file.path: (file.bytes, file.sha256) for file in listing.files}
    for file in entry.files:
        if listed.get(file.path) != (file.bytes, file.sha256):
            raise ModelError(f"The hub lists another {file.path} for {entry.name} than was published; do not use it.")


def read(path: Path) -> tuple[CatalogueEntry, ...]:
    """Read and check a catalogue.

    Raises:
        ModelError: it cannot be read, or something in it is wrong; the sentence says what.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"The catalogue {path} cannot be read: {error}.") from error
    if not isinstance(content, dict) or content.get("format") != _FORMAT or not isinstance(content.get("models"), list):
        raise ModelError(f"{path} is no catalogue of format {_FORMAT}.")
    entries = []
    for number, given in enumerate(content["models"], 1):
        name = given.get("name") if isinstance(given, dict) else None
        try:
            entries.append(_entry(given))
        except (ModelError, ValueError, TypeError) as error:
            raise ModelError(f"Model {number} ({name}) of the catalogue {path} is wrong: {error}") from error
    names = [entry.name.lower() for entry in entries]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ModelError(f"The catalogue {path} has {twice[0]} twice.")
    return tuple(entries)


def _entry(given: Any) -> CatalogueEntry:
    values = _values(CatalogueEntry, given)
    shape = Shape(**_values(Shape, given["shape"]))
    files = None
    if given["files"] is not None:
        files = tuple(CatalogueFile(**_values(CatalogueFile, file)) for file in given["files"])
    entry = CatalogueEntry(**{**values, "shape": shape, "files": files})
    parse(entry.repo)
    _require(entry.revision is None or bool(_COMMIT.fullmatch(entry.revision)), "revision has to be a commit")
    _require(files is None or entry.revision is not None, "files need a revision")
    _require(all(_DIGEST.fullmatch(file.sha256) and file.bytes > 0 for file in files or ()), "a file is wrong")
    _require(entry.architecture in ARCHITECTURES, f"{entry.architecture} models cannot be run")
    _require(entry.precision in PRECISIONS, f"precision has to be one of {', '.join(PRECISIONS)}")
    numbers = [value for name, value in vars(shape).items() if name not in ("tied", "biased")]
    _require(min(numbers) > 0, "numbers have to be above 0")
    _require(shape.heads % shape.kv_heads == 0, "heads have to be a multiple of kv_heads")
    _require(abs(entry.parameters - shape.parameters) < 0.01 * entry.parameters, "parameters do not match the shape")
    return entry


_KINDS: dict[Any, tuple[type, ...]] = {
    str: (str,),
    int: (int,),
    bool: (bool,),
    str | None: (str, type(None)),
    tuple[CatalogueFile, ...] | None: (list, type(None)),
    Shape: (dict,),
}


def _values(kind: type, given: Any) -> dict[str, Any]:
    """The fields of `kind` in a JSON object that has these and no others, each of the right type."""
    _require(isinstance(given, dict), "an object is missing")
    wanted = {field.name: field.type for field in fields(kind)}  # type: ignore[arg-type]
    _require(set(given) == set(wanted), f"fields differ: {', '.join(sorted(set(given) ^ set(wanted)))}")
    for name, annotation in wanted.items():
        right = type(given[name]) in _KINDS[annotation]
        _require(right, f"{name} is {given[name]!r}")
    return dict(given)


def _require(holds: bool, why: str) -> None:
    if not holds:
        raise ModelError(f"{why}.")
