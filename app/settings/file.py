"""The settings file: read, repaired, brought up to date, and written whole or not at all."""

import configparser
import contextlib
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from app.models.places import data_dir
from app.settings.values import VERSION, Appearance, Settings
from s3d_core.errors import S3DError, SettingError

log = logging.getLogger(__name__)

Step = Callable[[dict[str, Any]], dict[str, Any]]

# Version n -> what makes version n + 1 of it. A new step needs a file of its old version among the tests.
STEPS: Mapping[int, Step] = {}


class SettingsFileError(S3DError):
    """The settings cannot be written."""


def settings_path() -> Path:
    """Where the settings are kept."""
    return data_dir() / "settings.json"


def load(path: Path, steps: Mapping[int, Step] = STEPS, version: int = VERSION) -> tuple[Settings, str]:
    """The settings kept in a file, and a sentence for the user where not all could be used, else "".

    A file that is damaged or of a newer program is moved aside; single values that cannot be used are replaced by
    the usual ones. Never raises: a program must start.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return _from_first_versions(path.parent / "window.ini"), ""
    except (OSError, UnicodeDecodeError) as error:
        return Settings(), _set_aside(path, "cannot be read", error)
    try:
        kept = json.loads(text)
        if not isinstance(kept, dict) or not isinstance(kept.get("version"), int):
            raise ValueError("no settings in it")
        if kept["version"] > version:
            return Settings(), _set_aside(path, "was written by a newer version of this program")
        kept = _migrated(kept, path, steps, version)
        return _repaired(kept)
    except (ValueError, KeyError, TypeError, AttributeError, OSError, RecursionError) as error:
        return Settings(), _set_aside(path, "is damaged", error)


def save(settings: Settings, path: Path) -> None:
    """Write the settings so that a crash leaves the old file or the new one. Only the user may read it.

    Raises:
        SettingsFileError: with a sentence; the old file is still there.
    """
    text = json.dumps(settings.model_dump(mode="json"), indent=2, ensure_ascii=False)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".settings-")  # made with 0600
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text + "\n")
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        why = error.strerror or str(error)
        raise SettingsFileError(
            f"The settings could not be saved in {path.parent} ({why}): free some space or make the folder writable."
        ) from error


def _migrated(kept: dict[str, Any], path: Path, steps: Mapping[int, Step], version: int) -> dict[str, Any]:
    old = kept["version"]
    if old < version:
        shutil.copy2(path, path.with_name(f"{path.stem}.version-{old}.json"))
    for number in range(old, version):
        kept = {**steps[number](kept), "version": number + 1}
    return kept


def _repaired(kept: dict[str, Any]) -> tuple[Settings, str]:
    """The settings, with the usual value in the place of each that cannot be used."""
    lost: list[str] = []
    while True:
        try:
            # As JSON: lists stand for tuples there.
            settings = Settings.model_validate_json(json.dumps(kept))
        except ValidationError as error:
            # A setting, or a whole preset.
            lost += [_remove(kept, place) for place in {tuple(map(str, found["loc"][:2])) for found in error.errors()}]
            continue
        if not lost:
            return settings, ""
        log.warning("settings that cannot be used: %s", ", ".join(lost))
        return settings, f"These settings could not be used and have their usual value now: {', '.join(sorted(lost))}."


def _remove(kept: dict[str, Any], place: tuple[str, ...]) -> str:
    """Take what is at `place` out of the settings; returns its name."""
    inside = kept
    for name in place[:-1]:
        inside = inside[name]
    del inside[place[-1]]
    return place[-1]


def _set_aside(path: Path, why: str, error: Exception | None = None) -> str:
    log.warning("the settings file %s %s: %s", path, why, error)
    aside = path.with_name(f"{path.stem}.unused.json")
    number = 1
    while aside.exists():
        number += 1
        aside = path.with_name(f"{path.stem}.unused-{number}.json")
    try:
        path.rename(aside)
    except OSError:
        return f"The settings file {path} {why}, so the usual settings are in use."
    return f"The settings file {why}, so it is kept as {aside} and the usual settings are in use."


def _from_first_versions(path: Path) -> Settings:
    """The first versions kept the theme beside the window's place."""
    old = configparser.ConfigParser(interpolation=None, strict=False)
    with contextlib.suppress(OSError, UnicodeDecodeError, configparser.Error):
        old.read(path, encoding="utf-8")
        theme = old.get("General", "theme", fallback="system")
        with contextlib.suppress(SettingError):
            return Settings(appearance=Appearance().changed("theme", theme))
    return Settings()
