"""Chats leave as files and come back as they were; what is no such file is refused in one sentence."""

import contextlib
import copy
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.chats.errors import ImportRefusedError
from app.chats.exchange import as_json, as_markdown, duplicate, import_chats, import_file
from app.chats.store import Store


@pytest.fixture
def store():
    with contextlib.closing(Store()) as store:
        yield store


def branched_chat(store):
    """A chat whose first question was edited and whose last answer was written twice."""
    chat = store.add_chat("Bread & butter")
    store.add_turn(chat.id, None, "Why does it rise?")
    turn, first = store.add_turn(chat.id, None, "Why does bread rise?")
    second = store.add_reply(chat.id, turn.id)
    for reply, text in ((first, "Gas."), (second, "Yeast makes gas 🙂.")):
        reply.pieces = [(text[:3], False), (text[3:], True)]
        reply.stop_reason, reply.figures = "stop", {"model": "SmolLM2", "tokens": 4, "speedup": 1.5}
        store.write(reply)
    store.set_leaf(chat.id, first.id)
    store.set_pinned(chat.id, True)
    store.set_chat_settings(chat.id, {"system": "Be brief", "stop": ["a", "b"]})
    return store.chat(chat.id)


def exported(store) -> dict:
    return json.loads(as_json(store, store.chats()))


def test_markdown_shows_the_branch_that_is_shown(store):
    chat = branched_chat(store)
    text = as_markdown(chat, store.conversation(chat.id).turns)
    assert text.startswith("# Bread & butter\n")
    assert text.endswith("## You\n\nWhy does bread rise?\n\n## Assistant (SmolLM2)\n\nGas.\n")


def test_an_exported_chat_comes_back_with_all_its_branches(store):
    chat = branched_chat(store)
    before = exported(store)
    with contextlib.closing(Store()) as other:
        (new,) = import_chats(other, as_json(store, [chat]))
        assert exported(other) == before
        assert other.chat(new.id) == new
        assert [turn.text for turn in other.conversation(new.id).turns] == ["Why does bread rise?", "Gas."]
        assert other.conversation(new.id).turns[-1].pieces == [("Gas", False), (".", True)]
        assert other.chat_settings(new.id)["system"] == "Be brief"


texts = st.text(max_size=30)
scalars = (
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats(allow_nan=False, allow_infinity=False) | texts
)
values = st.recursive(
    scalars, lambda part: st.lists(part, max_size=3) | st.dictionaries(texts, part, max_size=3), max_leaves=6
)
objects = st.dictionaries(texts, values, max_size=3)


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data(), title=texts, given_settings=objects, pinned=st.booleans())
def test_whatever_a_chat_holds_comes_back(data, title, given_settings, pinned):
    with contextlib.closing(Store()) as store, contextlib.closing(Store()) as other:
        chat = store.add_chat(title)
        store.set_chat_settings(chat.id, given_settings)
        store.set_pinned(chat.id, pinned)
        replies: list[int | None] = []
        for _ in range(data.draw(st.integers(1, 6))):
            _, reply = store.add_turn(chat.id, data.draw(st.sampled_from([None, *replies])), data.draw(texts))
            reply.pieces = data.draw(st.lists(st.tuples(texts, st.booleans()), max_size=4))
            reply.stop_reason, reply.figures = data.draw(texts), data.draw(objects)
            store.write(reply)
            replies.append(reply.id)
        store.set_leaf(chat.id, data.draw(st.sampled_from(replies)))
        written = as_json(store, store.chats())
        import_chats(other, written)
        assert json.loads(as_json(other, other.chats())) == json.loads(written)


def spoilt(whole: dict, path: list, value) -> dict:
    changed = copy.deepcopy(whole)
    at = changed
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return changed


def places(value, path=()) -> list[list]:
    """The paths to all parts of a JSON value that an import must understand."""
    found = [list(path)] if path else []
    if isinstance(value, dict) and (not path or path[-1] not in ("settings", "figures")):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    else:
        items = []
    for key, part in items:
        found += places(part, (*path, key))
    return found


@settings(max_examples=300, deadline=None, derandomize=True)
@given(data=st.data())
def test_a_damaged_file_is_refused_whole_or_read_as_it_stands(data):
    """Whatever one part is replaced by: either a sentence and nothing added, or chats that can be exported again."""
    with contextlib.closing(Store()) as store:
        branched_chat(store)
        whole = exported(store)
        odd = st.sampled_from(
            [None, -1, 10**30, 1e308, float("inf"), float("nan"), True, "", "\ud800", [], {}, [1], {"a": "\udfff"}]
        )
        damaged = spoilt(whole, data.draw(st.sampled_from(places(whole))), data.draw(odd | values))
        before = store.rows("SELECT count(*) FROM messages")[0][0]
        refused = ""
        try:
            import_chats(store, json.dumps(damaged))
        except ImportRefusedError as error:
            refused = str(error)
        if refused:
            assert refused.endswith(".")
            assert store.rows("SELECT count(*) FROM messages")[0][0] == before
            assert len(store.chats()) == 1
        else:
            with contextlib.closing(Store()) as other:
                import_chats(other, as_json(store, store.chats()))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no JSON"),
        ("{", "no JSON"),
        ("[" * 100_000, "no JSON"),
        ("[]", "holds no chats"),
        ('{"format": "other"}', "holds no chats"),
        ('{"format": "s3d-chat", "version": 2, "chats": []}', "newer version"),
        ('{"format": "s3d-chat", "version": true, "chats": []}', "version is missing"),
        ('{"format": "s3d-chat", "version": 1, "chats": {}}', "list of chats is damaged"),
        ('{"format": "s3d-chat", "version": 1, "chats": [{}]}', "chat 1 is damaged"),
    ],
)
def test_what_is_no_export_is_refused_in_one_sentence(store, text, said):
    with pytest.raises(ImportRefusedError, match=said):
        import_chats(store, text)


def test_a_file_that_cannot_be_read_is_named(store, tmp_path):
    with pytest.raises(ImportRefusedError, match=r"none\.json cannot be read"):
        import_file(store, tmp_path / "none.json")
    picture = tmp_path / "picture.json"
    picture.write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(ImportRefusedError, match=r"picture\.json holds no text"):
        import_file(store, picture)
    (tmp_path / "list.json").write_text("[]")
    with pytest.raises(ImportRefusedError, match=r"list\.json was not imported: it holds no chats"):
        import_file(store, tmp_path / "list.json")


def test_a_duplicate_has_every_branch_and_is_a_chat_of_its_own(store):
    chat = branched_chat(store)
    (before,) = exported(store)["chats"]
    copy_ = duplicate(store, chat, "Bread & butter (copy)")
    assert store.chat(copy_.id) == copy_
    own = {"title", "pinned", "updated"}
    by_title = {found["title"]: found for found in exported(store)["chats"]}
    made = by_title["Bread & butter (copy)"]
    assert {name: value for name, value in made.items() if name not in own} == {
        name: value for name, value in before.items() if name not in own
    }
    assert (made["pinned"], made["updated"] > before["updated"]) == (False, True)
    reply = store.conversation(copy_.id).turns[-1]
    reply.pieces = [("Another", False)]
    store.write(reply)
    assert by_title["Bread & butter"] == before
    assert store.conversation(chat.id).turns[-1].text == "Gas."
