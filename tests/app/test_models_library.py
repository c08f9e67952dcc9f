import json
import struct

import pytest
from safetensors.numpy import save_file

from app.models import embedded, library, places, wholeness
from s3d_core.errors import ModelError


def safetensors_folder(folder):
    """A folder that has the shape of a model with one small tensor."""
    import numpy

    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    save_file({"weight": numpy.zeros((8, 8), dtype=numpy.float32)}, folder / "model.safetensors")
    return folder


def gguf_file(path, elements=64, alignment=32):
    """A GGUF file with one value of each shape and one float32 tensor."""

    def text(value):
        return struct.pack("<Q", len(value)) + value

    values = text(b"general.alignment") + struct.pack("<II", 4, alignment)
    values += text(b"name") + struct.pack("<I", 8) + text(b"tiny")
    values += text(b"list") + struct.pack("<IIQ", 9, 4, 3) + bytes(12)
    values += text(b"words") + struct.pack("<IIQ", 9, 8, 2) + text(b"a") + text(b"b")
    tensor = text(b"weight") + struct.pack("<IQIQ", 1, elements, 0, 0)
    header = b"GGUF" + struct.pack("<IQQ", 3, 1, 4) + values + tensor
    header += bytes(-len(header) % alignment)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(header + bytes(4 * elements))
    return path


def test_an_empty_home_has_no_models(home):
    assert library.installed() == []


def test_the_default_model_comes_first(home_with_model):
    safetensors_folder(places.models_dir() / "Aardvark")
    gguf_file(places.models_dir() / "loose.gguf")
    assert [model.name for model in library.installed()] == [embedded.DEFAULT_NAME, "Aardvark", "loose"]
    assert library.installed()[0].path == embedded.path()
    assert library.installed()[0].bytes == embedded.BYTES


def test_a_model_is_found_by_name_in_any_case(home):
    folder = safetensors_folder(places.models_dir() / "Tiny")
    assert library.find("tiny") == folder


def test_a_model_is_found_by_path(tmp_path, home, monkeypatch):
    folder = safetensors_folder(tmp_path / "elsewhere")
    file = gguf_file(tmp_path / "other" / "model.gguf")
    monkeypatch.chdir(tmp_path)
    assert library.find("elsewhere") == folder
    assert library.find(str(file)) == file
    assert library.find(str(file.parent)) == file


def test_an_unknown_model_names_what_is_installed(home):
    safetensors_folder(places.models_dir() / "Tiny")
    with pytest.raises(ModelError, match=r"There is no model 'Huge'.*\(Tiny\)"):
        library.find("Huge")


@pytest.mark.parametrize("name", ["", " ", "no/such/place"])
def test_nothing_is_not_found(home, name):
    with pytest.raises(ModelError, match="There is no model"):
        library.find(name)


def test_the_default_model_that_is_not_fetched_yet_says_how(home):
    with pytest.raises(ModelError, match="s3d models pull"):
        library.find(embedded.DEFAULT_NAME)


@pytest.mark.parametrize("kept", [0, 3, 20, 100, -1])
def test_a_gguf_file_that_was_cut_off_is_refused_and_not_listed(home, kept):
    path = gguf_file(places.models_dir() / "tiny.gguf")
    assert len(library.installed()) == 1
    path.write_bytes(path.read_bytes()[:kept])
    assert library.installed() == []
    with pytest.raises(ModelError, match=r"cut off|damaged"):
        library.find("tiny")


def test_every_cut_of_the_default_model_is_noticed(default_model, tmp_path):
    with default_model.open("rb") as file:
        start = file.read(3_000_000)
    for kept in (4, 1000, 1_000_000, 3_000_000):
        cut = tmp_path / f"{kept}.gguf"
        cut.write_bytes(start[:kept])
        with pytest.raises(ModelError, match=r"cut off|damaged"):
            wholeness.check_file(cut)
    wholeness.check_file(default_model)


@pytest.mark.parametrize("kept", [0, 5, 20, -1])
def test_a_safetensors_file_that_was_cut_off_is_refused(home, kept):
    folder = safetensors_folder(places.models_dir() / "Tiny")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:kept])
    assert library.installed() == []
    with pytest.raises(ModelError, match=r"cut off|damaged"):
        library.find("Tiny")


def test_a_missing_part_of_a_model_is_named(home):
    folder = safetensors_folder(places.models_dir() / "Tiny")
    index = {"weight_map": {"weight": "model.safetensors", "other": "model-2.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ModelError, match=r"model-2\.safetensors is missing"):
        library.find("Tiny")


@pytest.mark.parametrize(
    ("name", "sentence"), [("notes.txt", "is not a model"), ("empty", "no config.json"), ("two", "several models")]
)
def test_what_is_no_model_is_said(tmp_path, home, name, sentence):
    path = tmp_path / name
    if name.endswith(".txt"):
        path.write_text("hello")
    else:
        path.mkdir()
    if name == "two":
        gguf_file(path / "a.gguf")
        gguf_file(path / "b.gguf")
    with pytest.raises(ModelError, match=sentence):
        library.find(str(path))


def test_what_was_unpacked_from_a_lone_file_is_no_other_model_and_goes_with_it(home):
    file = gguf_file(places.models_dir() / "loose.gguf")
    made = safetensors_folder(places.models_dir() / "loose.bfloat16")
    (made / "unpacked-from.json").write_text("{}")
    other = safetensors_folder(places.models_dir() / "loose.other")
    assert [model.name for model in library.installed()] == ["loose", "loose.other"]
    library.remove("loose")
    assert not file.exists()
    assert not made.exists()
    assert other.exists()


def test_rubbish_is_no_gguf(tmp_path):
    path = tmp_path / "rubbish.gguf"
    path.write_bytes(b"GGUF" + b"\xff" * 1000)
    with pytest.raises(ModelError, match="damaged"):
        wholeness.check_file(path)


def test_a_damaged_manifest_is_said(home_with_model):
    (embedded.path().parent / "s3d-model.json").write_text('{"files": 3}')
    assert not embedded.is_ready()
    with pytest.raises(ModelError, match="fetch it again"):
        library.find(embedded.DEFAULT_NAME)
    embedded.ensure()
    assert embedded.is_ready()


@pytest.mark.parametrize("name", ["../outside.gguf", "/outside.gguf", "sub/../../outside.gguf", "..\\outside.gguf"])
def test_a_manifest_that_names_files_outside_its_folder_is_refused(home, name):
    outside = gguf_file(places.models_dir() / "outside.gguf")
    folder = places.models_dir() / "Tiny"
    folder.mkdir()
    file = {"name": name, "bytes": outside.stat().st_size, "sha256": "0" * 64, "changed_ns": outside.stat().st_mtime_ns}
    about = {"name": "Tiny", "source": "somewhere", "licence": "unknown", "files": [file]}
    (folder / "s3d-model.json").write_text(json.dumps(about))
    with pytest.raises(ModelError, match="damaged"):
        library.find("Tiny")
