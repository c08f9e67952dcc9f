"""The models on this computer. A model that is not whole is never offered."""

from dataclasses import dataclass
from pathlib import Path

from app.models import embedded, manifest, wholeness
from app.models.places import models_dir
from s3d_core.errors import ModelError
from s3d_core.trust import refuse_pickle


@dataclass(frozen=True)
class InstalledModel:
    """One whole model.

    Attributes:
        name: what a user calls it by.
        path: what the engine loads: a folder with safetensors, or a `.gguf` file.
        bytes: size of its weights on the disk.
        source: where it came from; "folder" for one that was put there by hand.
    """

    name: str
    path: Path
    bytes: int
    source: str


def installed() -> list[InstalledModel]:
    """The whole models in the models folder, the default one first, then by name.

    Reads headers only, but for files that changed since their digest was last checked, which are read in full.
    """
    found = []
    for entry in _entries():
        try:
            found.append(_look_at(entry))
        except (ModelError, OSError):
            continue  # not whole, or no model at all
    return sorted(found, key=lambda model: (model.name != embedded.DEFAULT_NAME, model.name.lower()))


def find(name_or_path: str) -> Path:
    """What the engine loads for an installed model's name, or for the path of a folder or `.gguf` file.

    Raises:
        ModelError: there is no such model, or it is not whole.
    """
    wanted = name_or_path.strip()
    for entry in _entries():
        if wanted.lower() == _name_of(entry).lower():
            return _look_at(entry).path
    path = Path(wanted).expanduser()
    if wanted and path.exists():
        return _look_at(path.absolute()).path
    if wanted.lower() == embedded.DEFAULT_NAME.lower():
        raise ModelError(f"{embedded.DEFAULT_NAME} has not been fetched yet; `s3d models pull` fetches it.")
    names = ", ".join(model.name for model in installed()) or "none yet; `s3d models pull` fetches the default one"
    raise ModelError(
        f"There is no model {wanted!r}: give the path of a model folder or .gguf file, or the name of an "
        f"installed model ({names})."
    )


def _entries() -> list[Path]:
    try:
        return sorted(entry for entry in models_dir().iterdir() if not entry.name.startswith("."))
    except OSError:
        return []


def _name_of(path: Path) -> str:
    return path.stem if path.suffix.lower() == ".gguf" else path.name


def _look_at(path: Path) -> InstalledModel:
    """The model in a folder or file, checked as far as can be done fast."""
    if path.is_file():
        refuse_pickle(path)
        if path.suffix.lower() != ".gguf":
            raise ModelError(f"{path} is not a model: choose a .gguf file, or a folder with safetensors.")
        wholeness.check_file(path)
        return InstalledModel(_name_of(path), path, path.stat().st_size, "folder")
    if known := manifest.read(path):
        manifest.check(path, known)
        ggufs = [file for file in known.files if file.name.lower().endswith(".gguf")]
        model = path / ggufs[0].name if len(ggufs) == 1 else path
        return InstalledModel(known.name, model, sum(file.bytes for file in known.files), known.source)
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
