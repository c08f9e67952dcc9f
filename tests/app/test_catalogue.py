import copy
import json
from dataclasses import replace

import pytest

from app.models import catalogue, embedded
from app.models.hub import Listing, RemoteFile
from s3d_core.errors import ModelError

CONTENT = json.loads(catalogue.PATH.read_text(encoding="utf-8"))
COMMIT, DIGEST = "a" * 40, "b" * 64


def test_the_families_that_users_come_for_are_offered():
    names = {entry.name for entry in catalogue.load()}
    assert {"Phi-3-mini-4k-instruct", "Phi-3-mini-128k-instruct", "Phi-3.5-mini-instruct"} <= names
    assert {"Phi-4-mini-instruct", "SmolLM2-360M-Instruct", "Qwen3-4B", "Llama-3.2-3B-Instruct"} <= names
    assert [entry.name for entry in catalogue.load() if entry.embedded] == [embedded.DEFAULT_NAME]


def test_the_default_models_shape_is_that_of_its_file(default_model):
    from app.models.shape import Shape

    assert catalogue.find(embedded.DEFAULT_NAME).shape == Shape.of(default_model)


def test_parameter_counts_are_those_that_the_publishers_state():
    stated = {"Phi-3-mini-4k-instruct": 3.82, "Phi-4-mini-instruct": 3.84, "SmolLM2-1.7B-Instruct": 1.71}
    stated |= {"Qwen3-0.6B": 0.6, "Qwen3-4B": 4.02, "Llama-3.2-1B-Instruct": 1.24, "Llama-3.2-3B-Instruct": 3.21}
    for name, billions in stated.items():
        assert catalogue.find(name).parameters == pytest.approx(billions * 1e9, rel=0.01)


def test_an_entry_is_found_by_name_and_by_repo_in_any_case():
    assert catalogue.find("qwen3-0.6b") is catalogue.find("QWEN/Qwen3-0.6B")
    assert catalogue.find("unheard-of") is None


def changed(tmp_path, change) -> ModelError | None:
    content = copy.deepcopy(CONTENT)
    change(content)
    path = tmp_path / "catalogue.json"
    path.write_text(json.dumps(content))
    try:
        catalogue.read(path)
    except ModelError as error:
        return error
    return None


def set_in(*keys, to):
    def change(content):
        place = content["models"][1]
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = to

    return change


def test_a_pinned_revision_with_its_files_is_read(tmp_path):
    file = {"path": "model.safetensors", "bytes": 5, "sha256": DIGEST}
    content = copy.deepcopy(CONTENT)
    content["models"][0] |= {"revision": COMMIT, "files": [file]}
    (tmp_path / "catalogue.json").write_text(json.dumps(content))
    entry = catalogue.read(tmp_path / "catalogue.json")[0]
    assert entry.wanted.revision == COMMIT
    assert entry.files[0].sha256 == DIGEST


def test_a_hub_that_lists_other_files_than_the_catalogue_is_refused(tmp_path, monkeypatch):
    content = copy.deepcopy(CONTENT)
    file = {"path": "model.safetensors", "bytes": 5, "sha256": DIGEST}
    content["models"][0] |= {"revision": COMMIT, "files": [file]}
    (tmp_path / "catalogue.json").write_text(json.dumps(content))
    entries = catalogue.read(tmp_path / "catalogue.json")
    monkeypatch.setattr(catalogue, "load", lambda: entries)
    right = Listing(entries[0].repo, COMMIT, "mit", False, (RemoteFile("model.safetensors", 5, DIGEST, None),))
    catalogue.check(right)
    catalogue.check(replace(right, commit="c" * 40, files=()))
    with pytest.raises(ModelError, match=r"another model\.safetensors for Phi-3-mini-4k-instruct"):
        catalogue.check(replace(right, files=(RemoteFile("model.safetensors", 5, "d" * 64, None),)))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda content: content.update(format=2), "is no catalogue of format 1"),
        (lambda content: content["models"].append(content["models"][0]), "twice"),
        (lambda content: content["models"].append("x"), "an object is missing"),
        (lambda content: content["models"][1].pop("licence"), "fields differ: licence"),
        (set_in("extra", to=1), "fields differ: extra"),
        (set_in("gated", to="no"), "gated is 'no'"),
        (set_in("parameters", to=1.5e9), "parameters is"),
        (set_in("parameters", to=5_000_000_000), "parameters do not match the shape"),
        (set_in("shape", "layers", to=True), "layers is True"),
        (set_in("shape", "layers", to=0), "numbers have to be above 0"),
        (set_in("shape", "kv_heads", to=7), "multiple of kv_heads"),
        (set_in("repo", to="nonsense"), "is no model on the hub"),
        (set_in("revision", to="main"), "revision has to be a commit"),
        (set_in("files", to=[{"path": "x", "bytes": 1, "sha256": DIGEST}]), "files need a revision"),
        (set_in("architecture", to="MambaForCausalLM"), "MambaForCausalLM models cannot be run"),
        (set_in("precision", to="int3"), "precision has to be one of"),
    ],
)
def test_what_is_wrong_in_a_catalogue_is_said(tmp_path, change, sentence):
    assert sentence in str(changed(tmp_path, change))


def test_a_catalogue_that_is_no_json_is_said(tmp_path):
    (tmp_path / "catalogue.json").write_text("{")
    with pytest.raises(ModelError, match="cannot be read"):
        catalogue.read(tmp_path / "catalogue.json")
