"""Fixtures of the decoder's tests."""

import shutil
from pathlib import Path

import pytest
import torch
from core.files import save_folder, save_gguf

from s3d_core.kernels import jit


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Tiny matrices only lose by threads that wait for each other.

    For whole modules, as sums round differently by the number of threads and what a module's fixtures
    computed is compared bit by bit.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True, scope="session")
def compiled_once(compiled_code):
    """Where a test says nothing else, what was compiled is kept for the other tests."""
    keep_in = jit.keep_in
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jit, "keep_in", lambda folder: keep_in(folder or compiled_code))
        jit.keep_in(None)
        yield


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Files that tests copy: a model folder and a GGUF file of the same weights."""
    place = tmp_path_factory.mktemp("made")
    save_folder(place / "tiny")
    save_gguf(place / "tiny.gguf")
    return place


@pytest.fixture
def folder(made, tmp_path) -> Path:
    return shutil.copytree(made / "tiny", tmp_path / "tiny")


@pytest.fixture
def file(made, tmp_path) -> Path:
    return shutil.copy2(made / "tiny.gguf", tmp_path / "tiny.gguf")
