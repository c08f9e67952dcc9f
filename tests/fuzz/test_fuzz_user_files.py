"""Settings, exported chats, catalogues and lists of a hub: used, or refused with nothing changed."""

import contextlib
import json
from pathlib import PurePosixPath, PureWindowsPath

from fuzz.budget import fuzz
from fuzz.bytes_and_json import JSON, changed_json, damaged
from hypothesis import strategies as st

from app.chats.errors import ImportRefusedError
from app.chats.exchange import as_json, import_chats
from app.chats.store import Store
from app.models import catalogue, selection
from app.models.hub import Listing, RemoteFile
from app.models.journal import local_name
from app.models.wanted import Wanted
from app.settings import file as settings_file
from app.settings.values import Settings
from s3d_core.errors import ModelError

SETTINGS = Settings().model_dump(mode="json")


def exported() -> dict:
    """An export with two turns and a second answer to the first one."""
    with contextlib.closing(Store()) as store:
        chat = store.add_chat("A title")
        user = store.add_message(chat.id, None, "user", [("Hello", False)], "stop")
        for text in ("One", "Another"):
            store.add_message(chat.id, user.id, "assistant", [(text, False), (" answer", True)], "stop")
        return json.loads(as_json(store, store.chats()))


EXPORT = exported()
WRITTEN = json.dumps(SETTINGS).encode()


@fuzz(
    st.one_of(JSON, changed_json(SETTINGS)).map(lambda held: json.dumps(held).encode()) | damaged(WRITTEN), examples=60
)
def test_any_settings_file_lets_the_program_start(tmp_path_factory, content):
    folder = tmp_path_factory.getbasetemp() / "settings"
    folder.mkdir(exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    file = folder / "settings.json"
    file.write_bytes(content)
    settings, said = settings_file.load(file)
    assert isinstance(settings, Settings)
    assert said == "" or said.endswith(".")
    # Nothing is lost: it is used, or kept under another name, or single values are named as replaced.
    assert file.exists() or any(folder.iterdir())
    settings_file.save(settings, file)
    assert settings_file.load(file) == (settings, "")


@fuzz(st.one_of(JSON, changed_json(EXPORT)).map(json.dumps) | st.text(max_size=100), examples=80)
def test_any_export_is_imported_whole_or_refused_with_nothing_added(text):
    with contextlib.closing(Store()) as store:
        try:
            added = import_chats(store, text)
        except ImportRefusedError:
            added = []
        # A chat without a message is kept, but not listed.
        assert {chat.id for chat in store.chats()} <= {chat.id for chat in added}
        as_json(store, store.chats())


CATALOGUE = json.loads(catalogue.PATH.read_text(encoding="utf-8"))


@fuzz(st.one_of(JSON, changed_json(CATALOGUE)), examples=60)
def test_any_catalogue_is_read_or_refused(tmp_path_factory, content):
    file = tmp_path_factory.getbasetemp() / "catalogue.json"
    file.write_text(json.dumps(content))
    with contextlib.suppress(ModelError):
        assert all(entry.parameters > 0 for entry in catalogue.read(file))


PARTS = st.sampled_from(
    ["..", ".", "a", "model.safetensors", "x.gguf", "C:x.gguf", "..\\x.gguf", "\\\\host\\x.gguf", ""]
)
PATHS = st.one_of(
    st.sampled_from(["config.json", "tokenizer.json", "model.safetensors", "pytorch_model.bin", "evil.py", "x.GGUF"]),
    st.lists(PARTS, min_size=1, max_size=4).map("/".join),
    st.text(max_size=12).map(lambda name: name + ".gguf"),
)


@fuzz(st.lists(PATHS, max_size=6), st.none() | PATHS, examples=150)
def test_any_list_of_a_hub_gives_files_that_stay_in_the_models_folder(paths, chosen):
    files = tuple(RemoteFile(path, 1, "0" * 64, None) for path in paths)
    listing = Listing("owner/name", "0" * 40, "", False, files)
    try:
        picked = selection.choose(listing, Wanted("owner/name", file=chosen))
    except ModelError:
        return
    for file in picked:
        name = local_name(file)
        assert name not in ("", ".", "..")
        for path in (PurePosixPath(name), PureWindowsPath(name)):
            assert path.parts == (name,), name
            assert not path.is_absolute()
            assert not path.drive
        assert chosen or not name.endswith((".bin", ".py"))
