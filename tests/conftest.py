import io
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from app.models import embedded

pytest_plugins = ["alone", "hub.fixtures"]

if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")  # else Qt ends the whole run

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    # Started in a shell's background, where Ctrl-C is not for us; the programs that are tested would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)

if os.environ.get("PYTEST_XDIST_WORKER"):
    # There is a worker for each core; with threads for each core as well, all would wait for one another.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def default_model() -> Path:
    """The default model's file, fetched and checked if it is not here yet."""
    return embedded.ensure()


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory) -> Path:
    """A tiny model's folder, for what no test changes."""
    from core.files import save_folder

    return save_folder(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def compiled_code(tmp_path_factory) -> Path:
    """A folder of what was compiled in this run so far, by all of its processes."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base) / "compiled"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def float32_engine(default_model, compiled_code):
    """The default model in float32, loaded once for all that change nothing of it."""
    from s3d_core.engine import Engine

    engine = Engine.load(default_model, dtype="float32", compiled=compiled_code)
    yield engine
    engine.close()


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """A data folder of the test's own, empty."""
    folder = tmp_path / "home"
    monkeypatch.setenv("S3D_HOME", str(folder))
    return folder


def copy_compiled(source: Path, goal: Path) -> None:
    """Copy what was compiled to a folder that does not have it."""
    goal.mkdir(mode=0o700, exist_ok=True)
    for file in source.glob("*"):
        if not file.suffix and not (goal / file.name).exists():  # neither the measurement nor what is being written
            shutil.copy(file, goal)


@pytest.fixture(scope="session")
def precision_record(default_model, tmp_path_factory, compiled_code) -> Path:
    """What the default model runs in here, measured once for all; no file where the machine was too busy."""
    from app.engine.precision import choose
    from app.models.precision import record_path

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("S3D_HOME", str(tmp_path_factory.mktemp("measured")))
        choose(default_model, "auto")
        copy_compiled(record_path().parent, compiled_code)
        return record_path()


@pytest.fixture
def home_with_model(default_model, home, precision_record, compiled_code) -> Path:
    """A data folder of the test's own that holds the default model and what other tests compiled."""
    from app.models.places import compiled_dir
    from app.models.precision import record_path

    embedded.path().parent.mkdir(parents=True)
    shutil.copyfile(default_model, embedded.path())
    embedded.ensure()
    copy_compiled(compiled_code, compiled_dir())
    if precision_record.exists():
        shutil.copyfile(precision_record, record_path())
    return home


@pytest.fixture
def s3d() -> Callable[..., subprocess.CompletedProcess]:
    """Runs `s3d` with the arguments given as a process of its own; returns it with its output as text."""

    def run(*arguments: str, stdin: str = "", timeout: float = 300) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "app.cli", *arguments]
        environment = {**os.environ, "PYTHONUTF8": "1"}
        return subprocess.run(
            command, cwd=ROOT, env=environment, input=stdin, capture_output=True, encoding="utf-8", timeout=timeout
        )

    return run


@pytest.fixture
def s3d_here(monkeypatch, capsys) -> Callable[..., subprocess.CompletedProcess]:
    """Runs `s3d` like the fixture of that name, but in this process, where a process is not what is tested."""
    from app.cli import main

    def run(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode()), encoding="utf-8"))
        try:
            code = main(list(arguments))
        except SystemExit as ended:
            code = ended.code
        out, err = capsys.readouterr()
        return subprocess.CompletedProcess(arguments, code, out, err)

    return run


@pytest.fixture
def in_memory(float32_engine, monkeypatch) -> None:
    """Commands that would load the default model with `--dtype float32` find it loaded."""
    from s3d_core.engine import Engine

    def load(path, **options):
        assert (path, options["dtype"]) == (Path(float32_engine.info.path), "float32")
        return float32_engine

    monkeypatch.setattr(Engine, "load", load)
