"""The models on this computer. A model that is not whole is never offered."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from glob import escape
from pathlib import Path

from app.models import embedded, manifest, wholeness
from app.models.places import models_dir
from app.models.remains import delete, working_name
from s3d_core.errors import ModelError
from s3d_core.trust import UNPACKED, refuse_pickle


@dataclass(frozen=True)
class InstalledModel:
    """One whole model.

    Attributes:
        name: what a user calls it by.
        path: what the engine loads: a folder with safetensors, or a `.gguf` file.
        bytes: size of its weights on the disk.
        source: where it came from; "folder" for one that was put there by hand.
        in_place: it lies elsewhere and is the user's own, so removing it deletes nothing of it.
        licence: as its publisher states it; "" where that is not known.
    """

    name: str
    path: Path
    bytes: int
    source: str
    in_place: bool = False
    licence: str = ""


# What the file of a model that is used where it lies ends with.
LINK = ".link.json"


def installed() -> list[InstalledModel]:
    """The whole models in the models folder, the default one first, then by name.

    Reads headers only, but for files that changed since their digest was last checked, which are read in full.
    """
    found = []
    for entry in entries():
        try:
            found.append(look_at(entry))
        except (ModelError, OSError):
            continue  # not whole, or no model at all
    return sorted(found, key=lambda model: (model.name != embedded.DEFAULT_NAME, model.name.lower()))


def find(name_or_path: str) -> Path:
    """What the engine loads for an installed model's name, or for the path of a folder or `.gguf` file.

    Raises:
        ModelError: there is no such model, or it is not whole.
    """
    wanted = name_or_path.strip()
    for entry in entries():
        if wanted.lower() == name_of(entry).lower():
            return look_at(entry).path
    path = Path(wanted).expanduser()
    if wanted and path.exists():
        return look_at(path.absolute()).path
    if wanted.lower() == embedded.DEFAULT_NAME.lower():
        raise ModelError(f"{embedded.DEFAULT_NAME} has not been fetched yet; `s3d models pull` fetches it.")
    names = ", ".join(model.name for model in installed()) or "none yet; `s3d models pull` fetches the default one"
    raise ModelError(
        f"There is no model {wanted!r}: give the path of a model folder or .gguf file, or the name of an "
        f"installed model ({names})."
    )


def verify(name: str, progress: Callable[[str, float], None] | None = None) -> InstalledModel:
    """Read all files of an installed model again and compare them with the digests it came with.

    A model without a manifest has no digests; its headers are checked.

    Raises:
        ModelError: there is no such model, or it is not what it was.
    """
    progress = progress or (lambda phase, share: None)
    entry = locate(name)
    known = manifest.read(entry) if entry.is_dir() else None
    if known is not None:
        for file in known.files:
            path = entry / file.name
            if not path.is_file():
                raise ModelError(f"{path} is missing, so the model is not whole; fetch the model again.")
            digest = manifest.sha256(path, partial(progress, f"Checking {file.name}"))
            if digest != file.sha256:
                manifest.distrust(entry, known, file)
                raise ModelError(f"{path} is damaged: its content is not what was published; fetch the model again.")
    return look_at(entry)


def remove(name: str) -> None:
    """Delete an installed or damaged model; of one that is used in place only the entry here goes.

    Raises:
        ModelError: there is no such model, or it cannot be deleted.
    """
    entry = locate(name)
    for made in _unpacked_from(entry):
        delete(made)
    # Renamed first: half a model must not be taken for one, should the deleting be interrupted.
    doomed = working_name("removed", entry.name)
    try:
        entry.replace(doomed)
    except OSError as error:
        raise ModelError(f"{entry} cannot be deleted: {error.strerror or error}; unload the model first.") from error
    delete(doomed)


def damaged() -> list[tuple[str, str]]:
    """What lies in the models folder and is no whole model: its name, and the sentence why."""
    found = []
    for entry in entries():
        try:
            look_at(entry)
        except (ModelError, OSError) as error:
            found.append((name_of(entry), str(error)))
    return found


def entries() -> list[Path]:
    """What lies in the models folder, whole or not; what was unpacked from a file there is no model of its own."""
    try:
        found = sorted(entry for entry in models_dir().iterdir() if not entry.name.startswith("."))
    except OSError:
        return []
    return [entry for entry in found if not (entry / UNPACKED).is_file()]


def _unpacked_from(entry: Path) -> list[Path]:
    """The folders that were made of a lone `.gguf` file, beside it."""
    if entry.suffix.lower() != ".gguf":
        return []
    return [folder for folder in entry.parent.glob(f"{escape(entry.stem)}.*") if (folder / UNPACKED).is_file()]


def name_of(path: Path) -> str:
    """What the model of an entry is called."""
    if path.name.endswith(LINK):
        return path.name.removesuffix(LINK)
    return path.stem if path.suffix.lower() == ".gguf" else path.name


def locate(name: str) -> Path:
    """The folder or file of a model in the models folder, whole or not.

    Raises:
        ModelError: there is none of this name.
    """
    for entry in entries():
        if name.strip().lower() == name_of(entry).lower():
            return entry
    names = ", ".join(name_of(entry) for entry in entries()) or "none"
    raise ModelError(f"There is no model {name!r} in {models_dir()}; there are: {names}.")


def look_at(path: Path) -> InstalledModel:
    """The model in a folder or file, checked as far as can be done fast.

    Raises:
        ModelError: it is no model, or not whole.
    """
    if path.name.endswith(LINK):
        return _look_behind(path)
    if path.is_file():
        refuse_pickle(path)
        if path.suffix.lower() != ".gguf":
            raise ModelError(f"{path} is not a model: choose a .gguf file, or a folder with safetensors.")
        wholeness.check_file(path)
        return InstalledModel(name_of(path), path, path.stat().st_size, "folder")
    if known := manifest.read(path):
        manifest.check(path, known)
        ggufs = [file for file in known.files if file.name.lower().endswith(".gguf")]
        model = path / ggufs[0].name if len(ggufs) == 1 else path
        size = sum(file.bytes for file in known.files)
        return InstalledModel(known.name, model, size, known.source, licence=known.licence)
    ggufs_here = sorted(path.glob("*.gguf"))
    if len(ggufs_here) == 1 and not (path / "config.json").exists():
        wholeness.check_file(ggufs_here[0])
        return InstalledModel(path.name, ggufs_here[0], ggufs_here[0].stat().st_size, "folder")
    if len(ggufs_here) > 1 and not (path / "config.json").exists():
        names = ", ".join(file.name for file in ggufs_here)
        raise ModelError(f"{path} holds several models: give the path of one of {names}.")
    wholeness.check_folder(path)
    weights = sum(file.stat().st_size for file in path.glob("*.safetensors"))
    return InstalledModel(path.name, path, weights, "folder")


def _look_behind(link: Path) -> InstalledModel:
    """The model that a link names, where it still is."""
    try:
        target = Path(json.loads(link.read_text(encoding="utf-8"))["path"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{link} is damaged; import the model again.") from error
    if not target.exists():
        raise ModelError(f"{target} is not there any more; bring it back, or remove {name_of(link)} from the list.")
    found = look_at(target)
    return InstalledModel(name_of(link), found.path, found.bytes, f"import {target}", True, found.licence)
