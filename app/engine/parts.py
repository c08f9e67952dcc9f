"""What the decoder's thread works with, and how it is had: an engine, the default model, the models there are."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from app import hardware
from app.engine.precision import Precision, choose, opened, refusal
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
        refuse: a sentence that says why a model does not fit into the memory, or None where it does.
        open_on_cpu: like open_engine, without the GPU; None where there is no such way.
        precision: what `open_engine` is to load in, and what it chose.
    """

    open_engine: Callable[[Path, Progress], Any]
    fetch_default: Callable[[Progress], Path]
    list_models: Callable[[], list]
    refuse: Callable[[Path], str | None] = lambda path: None
    open_on_cpu: Callable[[Path, Progress], Any] | None = None
    precision: Precision = field(default_factory=Precision)


def real_parts() -> Parts:
    """The engine of `s3d_core` and the model folder; torch is imported when the first model is opened."""
    precision = Precision()

    def open_engine(path: Path, progress: Progress, device: str = "auto"):
        from app.models import fit

        progress("Starting torch", 0.0)
        with settling():
            engine_class = import_engine()
            again, precision.again = precision.again, False
            choice = choose(path, precision.wanted, device, progress=progress, again=again)

            def load(dtype: str):
                return engine_class.load(
                    path,
                    dtype=dtype,
                    progress=progress,
                    device=device,
                    adapters=[places.adapters_dir()],
                    compiled=places.compiled_dir(),
                    context=fit.context_for(path, hardware.look(ram=device == "cpu"), dtype),
                )

            engine, precision.choice, unmet = opened(choice, load)
        said = [unmet, engine.info.notice]
        if device == "auto" and engine.info.device == "cpu":
            said.append(hardware.why_cpu())
        if engine.info.context_limit < engine.target.context_limit:
            said.append(
                f"A chat can hold {engine.info.context_limit:,} tokens here, not {engine.target.context_limit:,}: "
                "more would not fit into the memory."
            )
        engine.info = replace(engine.info, notice=" ".join(filter(None, said)) or None)
        return engine

    def fetch_default(progress: Progress) -> Path:
        from app.models import embedded

        return embedded.ensure(progress)

    def list_models() -> list:
        from app.models import library

        return library.installed()

    def refuse(path: Path) -> str | None:
        return refusal(path, hardware.look(), precision.wanted)

    def open_on_cpu(path: Path, progress: Progress):
        return open_engine(path, progress, "cpu")

    return Parts(open_engine, fetch_default, list_models, refuse, open_on_cpu, precision)
