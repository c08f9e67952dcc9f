import json
import os

import pytest
from hub.models import gguf, whole_repo

from app.models import credentials, imports, library, places
from s3d_core.errors import ModelError


@pytest.fixture
def folder(tmp_path, home):
    """A model folder of the user's own."""
    folder = tmp_path / "mine" / "My-Model"
    folder.mkdir(parents=True)
    for path, body in whole_repo().files.items():
        if "/" not in path:
            (folder / path).write_bytes(body)
    return folder


def test_a_copied_folder_holds_what_belongs_to_the_model_with_its_digests(folder):
    steps = []
    model = imports.import_copy(folder, lambda words, share: steps.append(share))
    assert not model.in_place
    assert library.find("my-model") == model.path == places.models_dir() / "My-Model"
    names = {path.name for path in model.path.iterdir()}
    assert "pytorch_model.bin" not in names
    assert {"config.json", "tokenizer.json", "LICENSE", "s3d-model.json"} <= names
    assert library.verify("My-Model").name == "My-Model"
    assert max(steps) == 1.0


def test_a_model_used_in_place_is_found_and_removing_it_deletes_nothing_of_it(folder):
    before = sorted(folder.iterdir())
    model = imports.import_in_place(folder)
    assert (model.name, model.path, model.in_place) == ("My-Model", folder, True)
    assert [m.name for m in library.installed()] == ["My-Model"]
    assert library.find("my-model") == folder
    library.remove("My-Model")
    assert library.installed() == []
    assert sorted(folder.iterdir()) == before


def test_a_gguf_file_is_imported_in_both_ways(tmp_path, home):
    file = tmp_path / "small.gguf"
    file.write_bytes(gguf(500, 1))
    assert imports.import_in_place(file).path == file
    library.remove("small")
    assert imports.import_copy(file).path == places.models_dir() / "small" / "small.gguf"


def test_a_model_in_place_that_went_away_is_said_and_not_offered(folder):
    imports.import_in_place(folder)
    folder.rename(folder.with_name("elsewhere"))
    assert library.installed() == []
    ((name, sentence),) = library.damaged()
    assert name == "My-Model"
    assert "is not there any more; bring it back, or remove My-Model from the list" in sentence
    library.remove("My-Model")
    assert library.damaged() == []


def test_content_that_rots_unseen_is_found_by_verifying_and_not_offered_from_then_on(folder):
    model = imports.import_copy(folder)
    weights = model.path / "model-00001-of-00002.safetensors"
    times = weights.stat()
    with weights.open("r+b") as file:
        file.seek(40_000)
        file.write(b"rot")
    os.utime(weights, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert library.installed() != []
    with pytest.raises(ModelError, match="is damaged"):
        library.verify("My-Model")
    assert library.installed() == []


def test_a_stopped_copy_leaves_nothing(folder):
    class StoppedError(Exception):
        pass

    def stop(words, share):
        raise StoppedError

    with pytest.raises(StoppedError):
        imports.import_copy(folder, stop)
    assert list(places.models_dir().iterdir()) == []


def refused(path) -> str:
    for way in (imports.import_copy, imports.import_in_place):
        with pytest.raises(ModelError) as caught:
            way(path)
        assert "\n" not in str(caught.value)
    assert library.installed() == []
    return str(caught.value)


def test_what_cannot_be_run_is_refused(folder, tmp_path):
    (folder / "config.json").write_text(json.dumps({"architectures": ["BertModel"]}))
    assert "My-Model is a BertModel model" in refused(folder)
    (tmp_path / "b.gguf").write_bytes(gguf(10, 1, "bert"))
    assert "'bert' model" in refused(tmp_path / "b.gguf")
    assert "There is nothing at" in refused(tmp_path / "nowhere")
    (tmp_path / "cut.gguf").write_bytes(gguf(500, 1)[:900])
    assert "cut off" in refused(tmp_path / "cut.gguf")


def test_a_name_that_is_taken_is_said(folder):
    imports.import_in_place(folder)
    with pytest.raises(ModelError, match="called My-Model is here already"):
        imports.import_copy(folder)


def test_a_token_without_a_keyring_lives_in_memory_and_is_forgotten(home, monkeypatch, tmp_path):
    import keyring
    from keyring.backends import fail

    monkeypatch.setenv("HF_TOKEN", "")
    monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path / "none"))
    monkeypatch.setattr(credentials, "_in_memory", None)
    before = keyring.get_keyring()
    keyring.set_keyring(fail.Keyring())
    try:
        assert not credentials.has_keyring()
        assert credentials.remember("hf_one") is False
        assert credentials.token() == "hf_one"
        monkeypatch.setenv("HF_TOKEN", "hf_two")
        assert credentials.token() == "hf_two"
        monkeypatch.setenv("HF_TOKEN", "")
        credentials.remember("")
        assert credentials.token() is None
    finally:
        keyring.set_keyring(before)


def test_a_token_is_kept_in_the_systems_keyring(home, monkeypatch):
    import keyring
    from keyring.backend import KeyringBackend

    class Kept(KeyringBackend):
        priority = 1

        def __init__(self):
            super().__init__()
            self.secrets = {}

        def get_password(self, service, username):
            return self.secrets.get((service, username))

        def set_password(self, service, username, password):
            self.secrets[service, username] = password

        def delete_password(self, service, username):
            del self.secrets[service, username]

    monkeypatch.setenv("HF_TOKEN", "")
    monkeypatch.setattr(credentials, "_in_memory", None)
    before = keyring.get_keyring()
    keyring.set_keyring(Kept())
    try:
        assert credentials.remember(" hf_kept\n") is True
        monkeypatch.setattr(credentials, "_in_memory", None)  # as after a restart
        assert credentials.token() == "hf_kept"
        credentials.remember("")
        assert keyring.get_keyring().secrets == {}
    finally:
        keyring.set_keyring(before)
