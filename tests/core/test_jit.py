"""Code that is compiled once and kept on disk, run in processes of its own."""

import gc
import shutil
import subprocess
import sys
import weakref

import pytest
import torch

from s3d_core.kernels import jit
from s3d_core.kernels.jit import Code
from s3d_core.kernels.skinny import Packed

pytestmark = pytest.mark.skipif(not jit.available(), reason="compiled loops need AVX2 on Linux")

PRODUCT = """
import sys
from pathlib import Path
import torch
from s3d_core.kernels import jit
from s3d_core.kernels.jit import Code
from s3d_core.kernels.skinny import Packed
compile_text, jit._compiled = jit._compiled, lambda text: print("compiled") or compile_text(text)
jit.keep_in(Path(sys.argv[1]))
weight = torch.arange(48 * 16).view(48, 16) / 100
x = torch.arange(5 * 16).view(5, 16) / 10
torch.testing.assert_close(Packed(weight)(x), x @ weight.T)
"""


def multiplied(folder) -> int:
    """How many functions a new process compiled to multiply rightly."""
    done = subprocess.run([sys.executable, "-c", PRODUCT, str(folder)], capture_output=True, text=True, check=True)
    return done.stdout.count("compiled")


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """A folder that was not there before a process compiled into it, and how many functions it compiled."""
    folder = tmp_path_factory.mktemp("compiled") / "new" / "folder"
    return folder, multiplied(folder)


def test_what_was_compiled_once_is_not_compiled_again(compiled):
    folder, new = compiled
    assert new > 0
    assert multiplied(folder) == 0


@pytest.mark.parametrize("damage", [lambda held: b"", lambda held: held[:100], lambda held: held[:-1] + b"!"])
def test_a_damaged_file_is_compiled_anew(compiled, tmp_path, damage):
    source, new = compiled
    folder = shutil.copytree(source, tmp_path / "folder")
    for file in folder.iterdir():
        file.write_bytes(damage(file.read_bytes()))
    assert multiplied(folder) == new
    assert multiplied(folder) == 0


def test_a_folder_that_cannot_be_written_costs_only_time(tmp_path):
    (tmp_path / "file").touch()
    assert multiplied(tmp_path / "file" / "folder") > 0


def test_without_a_folder_nothing_is_kept(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(jit, "_folder", None)
    weight, x = torch.randn(16, 28), torch.randn(7, 28)
    torch.testing.assert_close(Packed(weight)(x), x @ weight.T, atol=1e-4, rtol=1e-4)
    assert not list(tmp_path.iterdir())


def a_module():
    """A function with loops, and whether each of its parts is still there."""
    from llvmlite import ir

    module = ir.Module("gone")
    code = Code(module, "gone", ["p"])
    with code.loop(0, 3):
        code.fold(0, 4, 1, [code.number(0.0)], lambda i, held: [code.b.fadd(held[0], code.number(1.0))])
    code.b.ret_void()
    return module, [weakref.ref(i) for block in code.function.blocks for i in block.instructions]


def test_what_a_function_was_made_of_is_gone_once_it_is_compiled():
    """Its parts know one another: until Python looked at everything, 10 MB of a model's stayed in memory."""
    module, parts = a_module()
    gc.disable()
    try:
        jit.compile_module(module)
        del module
        left = [part() for part in parts if part() is not None]
    finally:
        gc.enable()
    assert len(parts) > 8
    assert not left
