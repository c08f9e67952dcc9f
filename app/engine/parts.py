"""What the decoder's thread works with, and how it is had: an engine, the default model, the models there are."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.engine.preload import import_engine, settling
from app.models import places

Progress = Callable[[str, float], None]


class CancelledError(Exception):
    """Raised in progress callbacks to leave a load or a download that the user stopped."""


@dataclass(frozen=True)
class Parts:
    """What the worker works with.

    Attributes:
        open_engine: (path, progress) -> an engine; may take long, reports through progress, raises S3DError.
        fetch_default: progress -> the folder of the default model, fetched when it is missing.
        list_models: the installed models, the default first.
    """

    open_engine: Callable[[Path, Progress], Any]
    fetch_default: Callable[[Progress], Path]
    list_models: Callable[[], list]


def real_parts() -> Parts:
    """The engine of `s3d_core` and the model folder; torch is imported when the first model is opened."""

    def open_engine(path: Path, progress: Progress):
        progress("Starting torch", 0.0)
        with settling():
            return import_engine().load(
                path, progress=progress, adapters=[places.adapters_dir()], compiled=places.compiled_dir()
            )

    def fetch_default(progress: Progress) -> Path:
        from app.models import embedded

        return embedded.ensure(progress)

    def list_models() -> list:
        from app.models import library

        return library.installed()

    return Parts(open_engine, fetch_default, list_models)
