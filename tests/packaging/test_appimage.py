"""The AppImage: made of a folder by the real tool, read again as its runtime reads it."""

import hashlib
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems know no AppImages")


@pytest.fixture
def appimage(monkeypatch):
    """The module, imported as when `build.py` runs, without a runtime that is given by the environment."""
    monkeypatch.syspath_prepend(str(ROOT / "packaging"))
    monkeypatch.delenv("S3D_APPIMAGE_RUNTIME", raising=False)
    import appimage

    return appimage


@pytest.fixture
def elf() -> bytes:
    """A program of the system, in the place of the runtime: it stands before the files and says where it ends."""
    return Path(os.path.realpath(shutil.which("true"))).read_bytes()


@pytest.fixture
def app_dir(appimage, tmp_path, qapp) -> Path:
    """The folder that the build makes of a bundle, of a small one that says what it was asked. Qt draws its icon."""
    import forms

    folder = tmp_path / "S3D Chat"
    (folder / "_internal").mkdir(parents=True)
    (folder / "_internal" / "library").write_text("a library")
    (folder / "_internal" / "link").symlink_to("library")
    program = folder / "s3d-chat"
    program.write_text('#!/bin/sh\ncat "$(dirname "$0")/_internal/link"\nprintf " and %s" "$@"\n')
    program.chmod(0o755)
    return forms.app_dir(folder, tmp_path)


def end_of_elf(content: bytes) -> int:
    """Where an ELF file ends by its own header: there the runtime looks for the files."""
    assert content[:5] == b"\x7fELF\x02"
    sections = struct.unpack_from("<Q", content, 40)[0]
    size, count = struct.unpack_from("<HH", content, 58)
    return sections + size * count


@pytest.mark.skipif(shutil.which("mksquashfs") is None, reason="mksquashfs is not installed")
def test_an_appimage_holds_the_folder_where_its_runtime_looks_for_it(appimage, app_dir, elf, tmp_path):
    image = appimage.make(app_dir, tmp_path / "S3D-Chat.AppImage", elf)
    assert os.access(image, os.X_OK)
    assert subprocess.run([str(image)]).returncode == 0  # what stands before the files still runs
    content = image.read_bytes()
    assert content[: len(elf)] == elf
    assert content[end_of_elf(content) :][:4] == b"hsqs"

    unpacked = tmp_path / "unpacked"
    command = ["unsquashfs", "-quiet", "-no-progress", "-offset", str(end_of_elf(content)), "-dest", str(unpacked)]
    subprocess.run([*command, str(image)], check=True, stdout=subprocess.DEVNULL)
    assert (unpacked / ".DirIcon").read_bytes().startswith(b"\x89PNG")
    assert "Exec=s3d-chat" in (unpacked / "s3d-chat.desktop").read_text()
    done = subprocess.run([str(unpacked / "AppRun"), "ask", "a b"], capture_output=True, text=True, check=True)
    assert done.stdout == "a library and ask and a b"
    assert not list(tmp_path.glob("*.part"))


def test_a_runtime_that_is_given_must_be_the_pinned_one(appimage, monkeypatch, elf, tmp_path):
    given = tmp_path / "runtime"
    given.write_bytes(elf)
    monkeypatch.setenv("S3D_APPIMAGE_RUNTIME", str(given))
    with pytest.raises(appimage.NoImageError, match=r"runtime is not the runtime of release \d+ for x86_64; fetch it"):
        appimage.runtime(tmp_path, "x86_64")
    monkeypatch.setitem(appimage.SHA256, "x86_64", hashlib.sha256(elf).hexdigest())
    assert appimage.runtime(tmp_path, "x86_64") == elf


def test_a_runtime_is_fetched_once_and_known_again(appimage, monkeypatch, elf, tmp_path):
    there = tmp_path / "there"
    there.write_bytes(elf)
    monkeypatch.setattr(appimage, "PLACE", there.as_uri())
    monkeypatch.setitem(appimage.SHA256, "x86_64", hashlib.sha256(elf).hexdigest())
    assert appimage.runtime(tmp_path, "x86_64") == elf
    there.unlink()
    assert appimage.runtime(tmp_path, "x86_64") == elf
    with pytest.raises(appimage.NoImageError, match=r"could not be read \(.*No such file.*name the file by S3D_"):
        appimage.runtime(tmp_path, "aarch64")
    with pytest.raises(appimage.NoImageError, match="no runtime for riscv64"):
        appimage.runtime(tmp_path, "riscv64")


@pytest.mark.skipif(shutil.which("mksquashfs") is None, reason="mksquashfs is not installed")
def test_an_appimage_that_cannot_be_made_says_why_and_leaves_no_half(appimage, monkeypatch, elf, tmp_path):
    image = tmp_path / "S3D-Chat.AppImage"
    with pytest.raises(appimage.NoImageError, match="mksquashfs failed"):
        appimage.make(tmp_path / "nothing here", image, elf)
    assert not list(tmp_path.iterdir())
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(appimage.NoImageError, match=r"mksquashfs is not installed: apt-get install -y squashfs-t"):
        appimage.make(tmp_path, image, elf)
