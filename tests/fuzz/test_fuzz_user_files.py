"""Settings and exported chats of any content: the program starts, and what is refused adds nothing."""

import contextlib
import json

from fuzz.budget import fuzz
from fuzz.bytes_and_json import JSON, changed_json, damaged
from hypothesis import strategies as st

from app.chats.errors import ImportRefusedError
from app.chats.exchange import as_json, import_chats
from app.chats.store import Store
from app.settings import file as settings_file
from app.settings.values import Settings

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
