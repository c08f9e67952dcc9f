"""From PyInstaller's folder to what a user downloads, on each system."""

import os
import platform
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import appimage
import icons
import trim

HERE = Path(__file__).resolve().parent
ICON = HERE.parent / "resources" / "icons" / "app.svg"


def size(path: Path) -> int:
    """Bytes on the disk."""
    if path.is_file():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file() and not file.is_symlink())


def finish_folder(folder: Path) -> Path:
    """Take debuggers' tables out of the large libraries, and put beside the program what belongs there."""
    if sys.platform == "linux" and (strip := shutil.which("strip")):
        for pattern in trim.STRIPPED:
            for file in (folder / "_internal").glob(pattern):
                subprocess.run([strip, "--strip-unneeded", str(file)], check=True)
    if sys.platform == "darwin":
        shutil.copy(HERE / "linux" / "s3d", folder.with_suffix(".app") / "Contents" / "MacOS" / "s3d")
    if sys.platform == "linux":
        shutil.copy(ICON, folder / "s3d-chat.svg")
        for name in ("s3d", "s3d-chat.desktop", "install.sh"):
            shutil.copy(HERE / "linux" / name, folder / name)
    return folder


def packages(folder: Path, dist: Path, work: Path, version: str) -> list[Path]:
    """Everything that this system's users know how to install; a tool that is missing is named."""
    make = {"linux": _linux, "win32": _windows, "darwin": _mac}.get(sys.platform)
    return make(folder, dist, work, version) if make else []


def _linux(folder: Path, dist: Path, work: Path, version: str) -> list[Path]:
    name = f"S3D-Chat-{version}-linux-{platform.machine()}"
    archive = dist / f"{name}.tar.gz"
    with tarfile.open(archive, "w:gz", compresslevel=6) as file:
        file.add(folder, arcname=f"S3D-Chat-{version}", filter=_of_nobody)
    made = [archive]
    try:
        runtime = appimage.runtime(work, platform.machine())
        made.append(appimage.make(app_dir(folder, work), dist / f"{name}.AppImage", runtime))
    except appimage.NoImageError as error:
        _say(f"No AppImage was made: {error}")
    return made


def app_dir(folder: Path, work: Path) -> Path:
    """The folder that an AppImage is made of."""
    root = work / "S3D-Chat.AppDir"
    shutil.rmtree(root, ignore_errors=True)
    inside = root / "usr" / "lib" / "s3d-chat"
    # Links instead of copies where the disk can: the bundle is large.
    shutil.copytree(folder, inside, symlinks=True, copy_function=_link)
    shutil.copy(HERE / "linux" / "AppRun", root / "AppRun")
    shutil.copy(HERE / "linux" / "s3d-chat.desktop", root / "s3d-chat.desktop")
    (root / "s3d-chat.png").write_bytes(icons.png(ICON, 256))
    (root / ".DirIcon").symlink_to("s3d-chat.png")
    return root


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _of_nobody(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """The builder's name is nobody's business."""
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry


def _windows(folder: Path, dist: Path, work: Path, version: str) -> list[Path]:
    usual = Path(os.environ.get("PROGRAMFILES(X86)", "C:/Program Files (x86)")) / "Inno Setup 6" / "ISCC.exe"
    tool = shutil.which("iscc") or (str(usual) if usual.exists() else None)
    if tool is None:
        _say("No setup program was made: Inno Setup 6 (iscc) is not installed.")
        archive = shutil.make_archive(
            str(dist / f"S3D-Chat-{version}-windows-x86_64"), "zip", folder.parent, folder.name
        )
        return [Path(archive)]
    given = {"Version": version, "Source": str(folder), "Icon": str(work / "s3d-chat.ico")}
    defines = [f"/D{name}={value}" for name, value in given.items()]
    subprocess.run([tool, *defines, f"/O{dist}", str(HERE / "windows" / "s3d-chat.iss")], check=True)
    return [dist / f"S3D-Chat-{version}-windows-x86_64-setup.exe"]


def _mac(folder: Path, dist: Path, work: Path, version: str) -> list[Path]:
    app = dist / "S3D Chat.app"
    image = dist / f"S3D-Chat-{version}-macos-{platform.machine()}.dmg"
    staged = work / "dmg"
    shutil.rmtree(staged, ignore_errors=True)
    staged.mkdir(parents=True)
    shutil.copytree(app, staged / app.name, symlinks=True)
    (staged / "Applications").symlink_to("/Applications")
    # Apple's processors run nothing unsigned; without a certificate the signature is nobody's.
    identity = os.environ.get("S3D_SIGNING_IDENTITY", "-")
    subprocess.run(["codesign", "--force", "--deep", "--sign", identity, str(staged / app.name)], check=True)
    command = ["hdiutil", "create", "-volname", "S3D Chat", "-srcfolder", str(staged), "-ov", "-format", "UDZO"]
    subprocess.run([*command, str(image)], check=True)
    return [app, image]


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
