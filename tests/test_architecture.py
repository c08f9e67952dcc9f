"""The house's rules: arrows run one way, the window starts without torch, a file is one idea."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HEAVY = {"torch", "transformers"}
QT = {"PySide6", "qasync", "pyqtgraph", "superqt"}


def sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def where(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imported(path: Path) -> set[str]:
    """The top-level packages that a file imports, anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module.partition(".")[0])
    return names


def modules(folder: str) -> list[str]:
    """The names of the modules in a package's folder."""
    found = []
    for path in sources(folder):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return found


@pytest.mark.parametrize("path", sources("s3d_core"), ids=where)
def test_the_core_knows_neither_qt_nor_the_app(path):
    assert not imported(path) & (QT | {"app"})


@pytest.mark.parametrize("path", sources("app/attach", "app/server", "app/settings"), ids=where)
def test_settings_attached_files_and_the_server_know_no_qt(path):
    assert not imported(path) & QT


def test_the_window_starts_without_torch():
    wanted = [
        *modules("app/ui"),
        *modules("app/chats"),
        *modules("app/models"),
        *modules("app/commands"),
        *modules("app/server"),
        *modules("app/diagnostics"),
        *(
            "app.__main__",
            "app.bootstrap",
            "app.cli",
            "app.hardware",
            "app.single_instance",
            "app.engine.link",
            "app.engine.live",
        ),
        *("s3d_core", "s3d_core.settings", "s3d_core.stats", "s3d_core.errors"),
    ]
    script = f"""
import importlib, sys
for name in {wanted!r}:
    importlib.import_module(name)
    heavy = {HEAVY!r} & set(sys.modules)
    assert not heavy, f"{{name}} loads {{heavy}}"
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, env=headless())
    assert done.returncode == 0, done.stderr


def headless() -> dict[str, str]:
    return {**os.environ, "QT_QPA_PLATFORM": "offscreen"}


@pytest.mark.parametrize(
    "path", sources("app", "s3d_core", "tools", "tests"), ids=lambda path: str(path.relative_to(ROOT))
)
def test_a_file_is_one_idea(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400
