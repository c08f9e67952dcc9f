"""The bundle as a user meets it: no Python, no network, an empty home, a display. Built first where it is missing.

Another place of the bundle can be given as S3D_BUNDLE.
"""

import contextlib
import io
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from hub.torch_index import torch_wheel

ROOT = Path(__file__).resolve().parents[2]
KEY = "a-key-for-this-test"
PATIENCE = float(os.environ.get("S3D_PATIENCE", "300"))

pytestmark = [pytest.mark.thorough, pytest.mark.skipif(sys.platform != "linux", reason="driven through Xvfb")]


@pytest.fixture(scope="module")
def bundle() -> Path:
    """The built folder."""
    if given := os.environ.get("S3D_BUNDLE"):
        return Path(given)
    folder = ROOT / "dist" / "S3D Chat"
    if not (folder / "s3d-chat").exists():
        subprocess.run([sys.executable, str(ROOT / "packaging" / "build.py"), "--forms", "folder"], check=True)
    return folder


@dataclass
class Form:
    """What a user starts: the window's command, the terminal program's, and the folder from which its programs run."""

    window: list[str]
    terminal: list[str]
    place: Path


@pytest.fixture(scope="module", params=["folder", "AppImage"])
def form(request, bundle, tmp_path_factory) -> Form:
    """The folder, and the AppImage: the one beside the folder, else one that is made now.

    The runtime that mounts an image is not to be had without a network. Without it a program of the system stands in
    its place, and the image is unpacked from behind that by squashfs-tools.
    """
    if request.param == "folder":
        return Form([str(bundle / "s3d-chat")], [str(bundle / "s3d")], bundle)
    folder = tmp_path_factory.mktemp("image")
    built = [file for file in bundle.parent.glob("*.AppImage") if file.stat().st_mtime >= bundle.stat().st_mtime]
    if built:
        # Without FUSE, which not every machine has: it unpacks itself.
        command = ["env", f"TMPDIR={folder}", str(built[0]), "--appimage-extract-and-run"]
        return Form(command, command, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "packaging"))
        import appimage
        import forms

        stand_in = Path(shutil.which("true")).read_bytes()
        image = appimage.make(forms.app_dir(bundle, folder), folder / "S3D-Chat.AppImage", stand_in)
    root = folder / "root"
    command = ["unsquashfs", "-quiet", "-no-progress", "-offset", str(len(stand_in)), "-dest", str(root), str(image)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return Form([str(root / "AppRun")], [str(root / "AppRun")], root)


def environment_of(folder: Path) -> dict[str, str]:
    """A user's environment without ours: no Python, an empty home with a space and foreign letters, no network."""
    home = folder / "Zoë Müller"
    home.mkdir()
    # Whoever tries to reach the network through these finds nobody.
    nowhere = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    return {
        "HOME": str(home),
        "PATH": "/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "S3D_HOME": str(home / "data"),
        "PIP_NO_INDEX": "1",
        **nowhere,
    }


@pytest.fixture
def environment(tmp_path) -> dict[str, str]:
    """Of a user who has never started it."""
    return environment_of(tmp_path)


@pytest.fixture(scope="module")
def used(tmp_path_factory) -> dict[str, str]:
    """Of a user who may have started it: the model is unpacked once for all tests that take this."""
    return environment_of(tmp_path_factory.mktemp("used"))


def wait_for(what: str, condition: Callable[[], object], program: psutil.Popen | None = None, log: Path | None = None):
    """What the condition gives once it is true. `log` is where the program writes what it has to say."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if found := condition():
            return found
        if program is not None and program.poll() is not None:
            pytest.fail(f"the program ended while waiting for {what}: {log.read_text() if log else ''}")
        time.sleep(0.2)
    return pytest.fail(f"waited in vain for {what}")


def of_bundle(place: Path) -> list[psutil.Process]:
    """Processes that run a program of the bundle in this place."""
    found = []
    for process in psutil.process_iter(["exe"]):
        if (process.info["exe"] or "").startswith(str(place)):
            found.append(process)
    return found


@pytest.fixture
def display(environment) -> Iterator[str]:
    """A display without a screen; xdotool types on it."""
    for tool in ("Xvfb", "xdotool"):
        if shutil.which(tool) is None:
            pytest.fail(f"{tool} is not installed: apt-get install -y xvfb xdotool")
    reading, writing = os.pipe()
    command = ["Xvfb", "-displayfd", str(writing), "-screen", "0", "1280x900x24", "-nolisten", "tcp"]
    server = subprocess.Popen(command, pass_fds=[writing], stderr=subprocess.DEVNULL)
    os.close(writing)
    with os.fdopen(reading) as told:
        environment["DISPLAY"] = f":{told.readline().strip()}"
    yield environment["DISPLAY"]
    server.terminate()
    server.wait()


@pytest.fixture
def report(request, bundle) -> Iterator[dict[str, float]]:
    """Seconds that were measured; they go into the build's report where there is one."""
    measured: dict[str, float] = {}
    yield measured
    form = request.node.callspec.params["form"]
    seconds = {f"{what} ({form})": count for what, count in measured.items()}
    path = bundle.parent / "report.json"
    if path.exists() and seconds:
        told = json.loads(path.read_text())
        told["seconds"] |= seconds
        path.write_text(json.dumps(told, indent=1) + "\n")


def test_the_terminal_program_answers_with_s3d_and_without_a_network(form, environment):
    command = [*form.terminal, "ask", "Why does bread rise?", "--max-tokens", "24", "--strategy", "s3d", "--json"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["settings"]["strategy"] == "s3d"
    # Libraries draw bars of their own while they unpack the model.
    assert "it/s" not in done.stderr
    assert told["draft_n_accepted"] > 0
    assert len(told["text"]) > 20
    data = Path(environment["S3D_HOME"])
    if "avx512f" in Path("/proc/cpuinfo").read_text():
        # The compiled layers work in the bundle, and are kept where the user's data is.
        assert any((data / "compiled").iterdir())

    again = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE)
    assert json.loads(again.stdout)["text"] == told["text"]
    wait_for("its processes to end", lambda: not of_bundle(form.place))


def test_the_terminal_program_without_a_command_tells_what_there_is(bundle, used):
    done = subprocess.run([str(bundle / "s3d")], env=used, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0
    assert "ask" in done.stdout


def test_the_terminal_program_measures_and_draws_a_sweep(bundle, used, tmp_path):
    def s3d(*arguments: str) -> str:
        few = ("--limit", "1", "--max-tokens", "8")
        command = [str(bundle / "s3d"), "bench", *arguments, *few]
        done = subprocess.run(command, env=used, capture_output=True, text=True, timeout=PATIENCE, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return done.stdout

    table = s3d("--strategies", "plain,s3d,hf")
    assert {"plain", "s3d", "hf"} <= {line.split()[0] for line in table.splitlines() if line.strip()}
    s3d("--sweep", "sweep.png")
    assert (tmp_path / "sweep.png").read_bytes().startswith(b"\x89PNG")


def test_the_terminal_program_serves(bundle, used, tmp_path):
    log = tmp_path / "said.txt"
    with log.open("w") as output:
        command = [str(bundle / "s3d"), "serve", "--port", "0"]
        program = psutil.Popen(command, env={**used, "S3D_API_KEY": KEY}, stdout=output, stderr=output)
    try:
        wait_for("the server", lambda: "is served at" in log.read_text(), program, log)
        address = log.read_text().partition("is served at ")[2].partition(";")[0]
        question = {"role": "user", "content": "Count to five."}
        asked = json.dumps({"model": "any", "messages": [question], "max_tokens": 12}).encode()
        headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"{address}/chat/completions", asked, headers)
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(request, timeout=PATIENCE) as answer:
            told = json.load(answer)
        assert len(told["choices"][0]["message"]["content"]) > 5
        program.send_signal(signal.SIGTERM)
        assert program.wait(PATIENCE) == 0
    finally:
        if program.poll() is None:
            program.kill()
            program.wait()
    wait_for("its processes to end", lambda: not of_bundle(bundle))


def test_a_pytorch_for_the_gpu_that_does_not_work_is_set_aside_and_the_bundles_own_answers(bundle, used):
    home = Path(used["S3D_HOME"]) / "gpu-torch"
    version = f"{json.loads((ROOT / 'resources' / 'torch_builds.json').read_text())['torch']}+cu126"
    package = home / version / "torch"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise OSError('libcudart.so.12 is not here')\n")
    state = {"torch": version, "python": sys.implementation.cache_tag, "gpu": "a GPU", "libraries": {}, "proved": ""}
    (home / "state.json").write_text(json.dumps(state))
    command = [str(bundle / "s3d"), "ask", "Why does bread rise?", "--max-tokens", "4"]
    done = subprocess.run(command, env=used, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    assert "does not work here: libcudart.so.12 is not here; models run on the processor." in done.stderr
    assert json.loads((home / "state.json").read_text())["set_aside"]
    shutil.rmtree(home)


def test_a_pytorch_for_the_gpu_that_works_takes_the_place_of_the_bundles_own(bundle, used, tmp_path):
    folder = tmp_path / "tree"
    with zipfile.ZipFile(io.BytesIO(torch_wheel("2.13.0+cu126"))) as archive:
        archive.extractall(folder)
    command = [str(bundle / "s3d"), "--try-gpu-torch", str(folder)]
    done = subprocess.run(command, env=used, capture_output=True, text=True, timeout=PATIENCE)
    assert json.loads(done.stdout) == {"problem": "", "gpu": "NVIDIA RTX 4090"}


def test_a_double_click_chats_and_leaves_no_process(form, environment, display, tmp_path, report):
    def xdotool(*arguments: str) -> str:
        done = subprocess.run(["xdotool", *arguments], env=environment, capture_output=True, text=True, timeout=60)
        return done.stdout.strip()

    def said() -> list[tuple]:
        """The chat as it is stored: role, text, reason of the end, figures."""
        file = Path(environment["S3D_HOME"]) / "chats.sqlite3"
        with contextlib.suppress(sqlite3.Error):
            if file.exists():
                with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as chats:
                    return chats.execute("SELECT role, text, stop_reason, figures FROM messages ORDER BY id").fetchall()
        return []

    begun = time.monotonic()
    log = tmp_path / "said.txt"
    with log.open("w") as output:
        program = psutil.Popen(form.window, env=environment, cwd=tmp_path, stdout=output, stderr=subprocess.STDOUT)
    window = wait_for("the window", lambda: xdotool("search", "--onlyvisible", "--name", "^S3D Chat$"), program, log)
    report["the window is seen"] = round(time.monotonic() - begun, 1)
    xdotool("windowfocus", window.splitlines()[0])
    # The model is copied, unpacked and measured behind the window. Until it is there, Enter sends nothing.
    xdotool("type", "--delay", "40", "Why does bread rise?")

    def answered() -> list[tuple]:
        rows = said()
        if not rows:
            xdotool("key", "Return")
        return [row for row in rows if row[0] == "assistant" and row[2]]

    _, text, reason, figures = wait_for("an answer", answered, program, log)[0]
    report["an answer stands in it, the model unpacked"] = round(time.monotonic() - begun, 1)
    assert len(text) > 20
    assert reason in ("stop", "length")
    assert json.loads(figures)["accepted"] > 0

    xdotool("key", "ctrl+q")
    assert program.wait(PATIENCE) == 0
    wait_for("its processes to end", lambda: not of_bundle(form.place))
    assert not list((Path(environment["S3D_HOME"]) / "runs").iterdir())
