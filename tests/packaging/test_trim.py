"""What is left out of the bundle."""

import struct
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ICON = ROOT / "resources" / "icons" / "app.svg"


@pytest.fixture
def packaging(monkeypatch):
    """The folder's modules can be imported, as when `build.py` runs."""
    monkeypatch.syspath_prepend(str(ROOT / "packaging"))


@pytest.mark.parametrize(
    "place",
    [
        "PySide6/Qt/plugins/platforms/libqxcb.so",
        "PySide6/Qt/lib/libQt6Widgets.so.6",
        "torch/lib/libtorch_cpu.so",
        "torch/bin/torch_shm_manager",
        "transformers/models/llama/modeling_llama.py",
        "transformers/models/__init__.py",
        "resources/adapters/SmolLM2-135M-Instruct/adapter.json",
        "resources/translations/s3d_de.qm",
        "PySide6/Qt/translations/qtbase_de.qm",
    ],
)
def test_what_the_program_loads_is_taken_along(packaging, place):
    import trim

    assert trim.is_wanted(place)
    assert trim.is_wanted(place.replace("/", "\\"))


@pytest.mark.parametrize(
    "place",
    [
        "PySide6/Qt/lib/libQt6Quick.so.6",
        "PySide6/Qt/plugins/platformthemes/libqgtk3.so",
        "PySide6/Qt/translations/qt_de.qm",
        "torch/include/ATen/ATen.h",
        "torch/bin/protoc",
        "torch/lib/libjitbackend_test.so",
        "transformers/models/whisper/modeling_whisper.py",
        "libcudart.so",
    ],
)
def test_what_it_never_loads_is_left_out(packaging, place):
    import trim

    assert not trim.is_wanted(place)


def test_every_family_that_can_be_run_is_taken_along(packaging):
    import trim

    from s3d_core.target import ARCHITECTURES

    families = {name.removesuffix("ForCausalLM").lower() for name in ARCHITECTURES}
    assert families <= trim.MODEL_FAMILIES


def test_nothing_is_left_out_that_a_model_in_use_has_imported(default_model):
    """A list of modules that went stale with a newer torch or transformers would show only in the built bundle."""
    script = f"""
import sys
sys.path.insert(0, {str(ROOT / "packaging")!r})
from pathlib import Path
import trim
from s3d_core import gguf, load
import torch
import transformers.integrations.gguf.gguf_tokenizer_mapping
loaded = load.load(Path({str(default_model)!r}), torch.bfloat16, torch.device("cpu"), lambda phase, share: None)
left_out = set(trim.MODULES) - {{"scipy", "_distutils_hack", "setuptools", "rich", "typer"}}
bad = [n for n in sys.modules if any(n == m or n.startswith(m + ".") for m in left_out)]
bad += [n for n in sys.modules if n.startswith("transformers.") and not trim.is_wanted_of_transformers(n)]
assert not bad, bad
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


def test_the_icon_is_drawn_for_each_system(packaging, qapp):
    import icons

    assert icons.png(ICON, 48).startswith(b"\x89PNG")
    for_windows = icons.ico(ICON)
    assert struct.unpack("<HHH", for_windows[:6]) == (0, 1, 6)
    size, place = struct.unpack("<II", for_windows[14:22])
    assert for_windows[place : place + 8] == b"\x89PNG\r\n\x1a\n"
    assert place + size < len(for_windows)
    for_apple = icons.icns(ICON)
    assert for_apple[:4] == b"icns"
    assert struct.unpack(">I", for_apple[4:8]) == (len(for_apple),)


@pytest.mark.skipif(sys.platform != "linux", reason="for desktops that follow freedesktop.org")
def test_the_installer_puts_the_program_into_the_menu_and_takes_it_away(tmp_path):
    place = tmp_path / "a place with 100% & more"
    place.mkdir()
    home = tmp_path / "home"
    for name in ("s3d", "install.sh", "s3d-chat.desktop"):
        (place / name).write_bytes((ROOT / "packaging" / "linux" / name).read_bytes())
    (place / "s3d-chat.svg").write_bytes(ICON.read_bytes())
    environment = {"HOME": str(home), "PATH": "/usr/bin:/bin"}

    def install(*arguments: str) -> None:
        subprocess.run(["sh", str(place / "install.sh"), *arguments], env=environment, check=True, capture_output=True)

    install()
    entry = home / ".local/share/applications/s3d-chat.desktop"
    assert f'Exec="{str(place).replace("%", "%%")}/s3d-chat"' in entry.read_text().splitlines()
    assert (home / ".local/bin/s3d").resolve() == (place / "s3d").resolve()
    install("--remove")
    assert not entry.exists()
    assert not (home / ".local/bin/s3d").is_symlink()
