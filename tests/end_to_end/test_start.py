"""start.sh's ways that need no set-up, and the set-up's parts, on a small checkout made for the test."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(os.name == "nt", reason="start.bat takes its place on Windows")
ROOT = Path(__file__).resolve().parents[2]
bash = shutil.which("bash") or "bash"


def start(*arguments, root=ROOT, **environment):
    """Run start.sh from another folder, without a display."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("QT_QPA", "DISPLAY", "WAYLAND"))}
    command = [bash, str(root / "start.sh"), *arguments]
    return subprocess.run(command, cwd="/", env={**clean, **environment}, capture_output=True, text=True, timeout=60)


@pytest.fixture
def checkout(tmp_path):
    """The files that a set-up reads, in a folder with a space in its name, and no `.venv`."""
    root = tmp_path / "a checkout"
    root.mkdir()
    for name in ("start.sh", "pyproject.toml", "constraints.txt", "tools"):
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy2)(source, root / name)
    return root


@pytest.fixture
def prepare(checkout):
    """The set-up's module, at work on the small checkout."""
    import importlib.util

    spec = importlib.util.spec_from_file_location("prepare_of_checkout", checkout / "tools" / "prepare.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def venv(prepare):
    """An environment of the small checkout that has this one's interpreter and nothing installed."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(prepare.VENV)], check=True)
    return prepare.VENV


@pytest.mark.parametrize("word", ["help", "-h", "--help"])
def test_help_needs_no_set_up(checkout, word):
    done = start(word, root=checkout)
    assert done.returncode == 0
    for command in ("ask", "chat", "serve", "models", "bench", "train", "test"):
        assert f"./start.sh {command}" in done.stdout
    assert not (checkout / ".venv").exists()


def test_without_a_display_the_window_names_ask(checkout):
    done = start(root=checkout)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert './start.sh ask "..."' in done.stderr
    assert not (checkout / ".venv").exists()


def test_an_unknown_command_is_said(checkout):
    done = start("dance", root=checkout)
    assert done.returncode == 2
    assert 'There is no command "dance"' in done.stderr


@pytest.mark.parametrize(("version", "said"), [("3.9.2", "needs Python 3.11"), (None, "needs Python 3.11")])
def test_without_a_python_that_will_do_it_says_what_to_type(checkout, tmp_path, version, said):
    tools = fake_tools(tmp_path)
    if version:
        script(tools / "python3", f'case "$*" in *--version*) echo "Python {version}";; *) echo old;; esac')
    done = start("models", root=checkout, PATH=str(tools))
    assert done.returncode == 1
    assert said in done.stderr
    assert "apt-get install -y python3 python3-venv" in done.stderr
    assert (f"found: Python {version}" in done.stderr) == bool(version)


def test_without_pythons_venv_module_it_says_what_to_type(checkout, tmp_path):
    tools = fake_tools(tmp_path)
    script(tools / "python3", 'case "$*" in *ensurepip*) echo bare3.12;; *) echo 3.12;; esac')
    done = start("models", root=checkout, PATH=str(tools))
    assert done.returncode == 1
    assert "apt-get install -y python3.12-venv" in done.stderr


def fake_tools(tmp_path) -> Path:
    """A PATH with the system's small tools and no Python."""
    folder = tmp_path / "tools-only"
    folder.mkdir()
    for name in ("dirname", "readlink", "uname", "id", "cat"):
        (folder / name).symlink_to(shutil.which(name) or name)
    return folder


def script(path, body):
    path.write_text(f"#!{bash}\n{body}\n")
    path.chmod(0o755)


def test_what_is_done_is_remembered_until_the_pins_change(prepare, venv, checkout):
    assert prepare.parts_missing("window") == ["packages", "qt"]
    prepare.mark_done("packages")
    assert prepare.parts_missing("command") == []
    assert prepare.parts_missing("window") == ["qt"]
    prepare.mark_done("qt")
    prepare.mark_done("test packages")
    assert prepare.parts_missing("test") == ["display"]
    prepare.mark_done("display")
    for purpose in prepare.PARTS:
        assert prepare.parts_missing(purpose) == []
    with (checkout / "constraints.txt").open("a") as file:
        file.write("# changed\n")
    assert prepare.parts_missing("command") == ["packages"]


def test_a_checkout_that_was_moved_is_set_up_anew(prepare, venv, monkeypatch, tmp_path):
    prepare.mark_done("packages")
    monkeypatch.setattr(prepare, "ROOT", tmp_path)
    for name in ("pyproject.toml", "constraints.txt"):
        shutil.copy2(ROOT / name, tmp_path / name)
    assert prepare.parts_missing("command") == ["packages"]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"parts": ["packages"]}'])
def test_a_damaged_stamp_counts_as_nothing_done(prepare, venv, content):
    prepare.STAMP.write_text(content)
    assert prepare.parts_missing("command") == ["packages"]


def test_an_environment_without_its_python_is_made_anew(prepare, venv):
    prepare.mark_done("packages")
    prepare.venv_python().unlink()
    assert prepare.parts_missing("command") == ["packages"]
    assert not prepare.venv_works()
    prepare.make_venv()
    assert prepare.venv_works()


def test_an_environment_whose_making_was_interrupted_is_made_anew(prepare, monkeypatch):
    """Its pip may be there in part: enough to be imported, too little to install anything."""

    def killed(command, **options):
        prepare.venv_python().parent.mkdir(parents=True)
        prepare.venv_python().symlink_to(sys.executable)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(subprocess, "call", killed)
        assert prepare.main(["--for", "command"]) == 130
    monkeypatch.setattr(subprocess, "call", lambda command, **options: 0)
    assert not prepare.venv_works()
    prepare.make_venv()
    prepare.venv_python().parent.mkdir()
    prepare.venv_python().touch()
    assert prepare.venv_works()


@pytest.mark.alone
def test_the_second_start_goes_straight_to_the_command(prepare, venv, checkout):
    prepare.mark_done("packages")
    package = checkout / "app"
    package.mkdir()
    (package / "cli.py").write_text("import sys; print(sys.argv[1:]); sys.exit(7)")
    (next(venv.glob("lib/*/site-packages")) / "here.pth").write_text(str(checkout))
    began = time.monotonic()
    done = start("ask", "two words", "--json", root=checkout)
    assert time.monotonic() - began < 2
    assert done.stdout.strip() == "['ask', 'two words', '--json']"
    assert done.stderr == ""
    assert done.returncode == 7


def test_a_set_up_without_disk_space_says_so(prepare, monkeypatch, capsys):
    usage = shutil.disk_usage("/")._replace(free=10**8)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    assert prepare.main(["--for", "command"]) == 1
    assert "free some space" in capsys.readouterr().err
    assert not prepare.VENV.exists()


def test_packages_that_were_unpacked_in_part_are_installed_again(prepare, venv):
    packages = prepare.site_packages()

    def package(name, record, size=3):
        (packages / name).mkdir()
        (packages / name / "__init__.py").write_text("x" * size)
        metadata = packages / f"{name}-1.0.dist-info"
        metadata.mkdir()
        if record:
            (metadata / "RECORD").write_text(f"{name}/__init__.py,sha256=x,3\n{name}-1.0.dist-info/RECORD,,\n")

    package("whole", record=True)
    package("unlisted", record=False)
    package("short", record=True, size=2)
    (packages / "~hole").mkdir()
    assert prepare.forget_partial_packages() == ["short", "unlisted"]
    assert {path.name for path in packages.glob("*.dist-info")} == {"whole-1.0.dist-info"}
    assert not (packages / "~hole").exists()


def test_two_set_ups_wait_for_each_other_and_a_killed_one_does_not_block(prepare, checkout):
    hold = f"""
import importlib.util, time
spec = importlib.util.spec_from_file_location("prepare", {str(checkout / "tools" / "prepare.py")!r})
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
with module.only_one():
    print("held", flush=True)
    time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", hold], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        with prepare.LOCK.open("a+b") as file:
            assert not prepare._lock(file)
        holder.kill()
        holder.wait()
    with prepare.only_one():
        pass


def test_missing_libraries_are_named_to_someone_who_may_not_install(prepare, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(prepare, "missing_libraries", lambda: ["libxcb-cursor.so.0"])
    monkeypatch.setattr(prepare.sys, "platform", "linux")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/apt-get")
    prepare.install_qt_libraries()
    assert "sudo apt-get update && sudo apt-get install -y libxcb-cursor0" in capsys.readouterr().err


def test_a_missing_display_for_the_tests_is_named_and_looked_for_again(prepare, venv, monkeypatch, capsys):
    for part in ("test packages", "qt"):
        prepare.mark_done(part)
    monkeypatch.setattr(prepare.sys, "platform", "linux")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/apt-get" if name == "apt-get" else None)
    prepare.set_up("test")
    assert "sudo apt-get update && sudo apt-get install -y xvfb xdotool" in capsys.readouterr().err
    assert prepare.parts_missing("test") == ["display"]
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    prepare.set_up("test")
    assert capsys.readouterr().err == ""
    assert prepare.parts_missing("test") == []


def test_the_stamp_is_plain_json(prepare, venv):
    prepare.mark_done("packages")
    assert json.loads(prepare.STAMP.read_text())["parts"] == ["packages"]
