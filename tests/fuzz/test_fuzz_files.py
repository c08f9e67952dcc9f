"""Files of any content are read, or refused with one sentence: never a crash, never without end."""

import json
import shutil
import struct
from pathlib import Path

import pytest
import torch
from core.files import save_folder
from core.models import build, random_adapter
from fuzz.budget import fuzz
from fuzz.bytes_and_json import GGUF, JSON, SAFETENSORS, changed_json, damaged
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from app.models import library, manifest, wholeness
from app.models.shape import Shape
from s3d_core.adapter import CARD, WEIGHTS, Adapter
from s3d_core.errors import S3DError
from s3d_core.load import load
from s3d_core.strategies import strategies
from s3d_core.target import Target

CPU = torch.device("cpu")


def refusal(read) -> str | None:
    """Why something is refused, or None."""
    try:
        read()
    except S3DError as error:
        return str(error)
    return None


def check(read) -> None:
    """Read something; where it is refused, that must be one sentence."""
    said = refusal(read)
    assert said is None or (said.endswith(".") and "\n" not in said), said


def place(folder: Path, name: str, content) -> Path:
    file = folder / name
    file.unlink(missing_ok=True)
    if isinstance(content, bytes):
        file.write_bytes(content)
    else:
        file.write_text(json.dumps(content), encoding="utf-8", errors="surrogatepass")
    return file


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A whole small model, of which tests damage one file at a time."""
    return save_folder(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture(scope="module")
def target():
    return Target(build("llama"))


@pytest.fixture(scope="module")
def adapter(target, tmp_path_factory) -> Path:
    """A whole small adapter."""
    made = random_adapter(target)
    made.card = {"base_model": "tiny", "fingerprint": target.fingerprint(), "defaults": {"skipped": 2}}
    made.save(tmp_path_factory.mktemp("adapter"), torch.float32)
    return next(made_in for made_in in tmp_path_factory.getbasetemp().glob("adapter*"))


@pytest.fixture(scope="module")
def config(folder) -> dict:
    return json.loads((folder / "config.json").read_text())


# -- headers of weights: what app.models reads by itself ---------------------------------------------------------------


def test_the_files_that_are_damaged_below_are_good(tmp_path):
    wholeness.check_file(place(tmp_path, "good.gguf", GGUF))
    wholeness.check_file(place(tmp_path, "good.safetensors", SAFETENSORS))


@fuzz(st.one_of(damaged(GGUF, 400), st.binary(max_size=200).map(lambda rest: b"GGUF\3\0\0\0" + rest)), examples=150)
def test_any_gguf_header_is_read_or_refused(tmp_path, content):
    file = place(tmp_path, "any.gguf", content)
    wholeness._gguf_bytes.cache_clear()
    check(lambda: wholeness.check_file(file))
    check(lambda: library.find(str(file)))
    check(lambda: Shape.of(file))


@fuzz(
    st.one_of(
        damaged(SAFETENSORS, 200),
        changed_json(json.loads(SAFETENSORS[8:-32]))
        .map(lambda header: json.dumps(header).encode())
        .map(lambda text: struct.pack("<Q", len(text)) + text),
    ),
    examples=150,
)
def test_any_safetensors_header_is_read_or_refused(tmp_path, content):
    file = place(tmp_path, "any.safetensors", content)
    wholeness._safetensors_bytes.cache_clear()
    check(lambda: wholeness.check_file(file))


@fuzz(
    st.one_of(JSON, changed_json({"weight_map": {"a": "model.safetensors", "b": "model-2.safetensors"}})), examples=60
)
def test_any_index_is_read_or_refused(folder, tmp_path_factory, index):
    copy = tmp_path_factory.getbasetemp() / "indexed"
    copy.mkdir(exist_ok=True)
    if not (copy / "model.safetensors").exists():
        for name in ("config.json", "model.safetensors"):
            shutil.copy(folder / name, copy / name)
    place(copy, "model.safetensors.index.json", index)
    check(lambda: library.find(str(copy)))


@fuzz(
    changed_json(
        {
            "name": "a",
            "source": "b",
            "licence": "c",
            "files": [{"name": "model.gguf", "bytes": 3, "sha256": "00", "changed_ns": 5}],
        }
    ),
    examples=60,
)
def test_any_manifest_is_read_or_refused(tmp_path, content):
    place(tmp_path, "model.gguf", b"abc")
    place(tmp_path, manifest.NAME, content)
    check(lambda: library.find(str(tmp_path)))


# -- what transformers and the engine read ----------------------------------------------------------------------------


@pytest.fixture
def damage(folder, request):
    """Puts something in the place of one of the model's files, and the file back at the end."""
    kept: dict[str, bytes] = {}

    def put(name: str, content) -> Path:
        kept.setdefault(name, (folder / name).read_bytes())
        return place(folder, name, content)

    yield put
    for name, content in kept.items():
        place(folder, name, content)


def check_loading(folder: Path) -> None:
    check(lambda: load(folder, torch.float32, CPU, lambda phase, share: None))


@fuzz(st.data(), examples=25)
def test_any_config_is_read_or_refused(folder, config, damage, data):
    damage("config.json", data.draw(changed_json(config)))
    check(lambda: Shape.of(folder))
    check_loading(folder)


@fuzz(st.data(), examples=15)
def test_any_tokenizer_is_read_or_refused(folder, damage, data):
    name = data.draw(st.sampled_from(("tokenizer.json", "tokenizer_config.json", "generation_config.json")))
    whole = (folder / name).read_bytes()
    damage(name, data.draw(st.one_of(damaged(whole, 2000), changed_json(json.loads(whole)))))
    check_loading(folder)
    place(folder, name, whole)


@fuzz(st.data(), examples=40)
def test_any_adapter_is_read_or_refused(target, adapter, data):
    whole = {name: (adapter / name).read_bytes() for name in (CARD, WEIGHTS)}
    try:
        kind = data.draw(st.sampled_from(("card", "header", "tensors")))
        if kind == "card":
            place(adapter, CARD, data.draw(changed_json(json.loads(whole[CARD]))))
        elif kind == "header":
            place(adapter, WEIGHTS, data.draw(damaged(whole[WEIGHTS], 1000)))
        else:
            tensors = load_file(adapter / WEIGHTS)
            name = data.draw(st.sampled_from(sorted(tensors)))
            shape = data.draw(st.lists(st.integers(0, 5), max_size=3))
            kinds = (torch.float32, torch.bfloat16, torch.int32, torch.bool, torch.float64)
            tensors[name] = torch.full(shape, 7).to(data.draw(st.sampled_from(kinds)))
            save_file(tensors, adapter / WEIGHTS)
        check(lambda: strategies(target, Adapter.load(adapter, target)))
    finally:
        for name, content in whole.items():
            place(adapter, name, content)
