"""The settings file: nothing of it is lost, and it never keeps the program from starting."""

import json
import stat
import sys

import pytest

from app.settings import file
from app.settings.file import STEPS, SettingsFileError, load, save
from app.settings.values import VERSION, Appearance, ChatSettings, Settings

CHANGED = Settings(
    chat=ChatSettings(system_prompt="Be brief. ✓", seed=4, stop=("END", "\n\n"), context=512),
    appearance=Appearance(theme="dark", font_size=14),
).with_preset("Mine", ChatSettings(temperature=1.0))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "data" / "settings.json"


def test_what_is_saved_is_loaded(path):
    save(CHANGED, path)
    assert load(path) == (CHANGED, "")


def test_without_a_file_the_usual_settings_hold_and_nothing_is_said(path):
    assert load(path) == (Settings(), "")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other rights")
def test_only_the_user_may_read_the_file(path):
    save(CHANGED, path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": "x"}', "{}", "null", "[" * 50_000, "\x00"])
def test_a_damaged_file_is_moved_aside_and_said(path, text):
    path.parent.mkdir()
    path.write_text(text)
    settings, said = load(path)
    assert settings == Settings()
    assert said.count(".") >= 1
    assert "is damaged" in said
    assert path.with_name("settings.unused.json").read_text() == text
    assert not path.exists()


def test_a_second_damaged_file_does_not_replace_the_first(path):
    path.parent.mkdir()
    for text in ("first", "second"):
        path.write_text(text)
        load(path)
    assert path.with_name("settings.unused.json").read_text() == "first"
    assert path.with_name("settings.unused-2.json").read_text() == "second"


def test_a_file_that_is_no_text_is_moved_aside(path):
    path.parent.mkdir()
    path.write_bytes(b"\xff\xfe\x00\xd8")
    assert "cannot be read" in load(path)[1]


def test_a_file_of_a_newer_program_is_kept(path):
    save(CHANGED, path)
    kept = json.loads(path.read_text()) | {"version": VERSION + 1}
    path.write_text(json.dumps(kept))
    settings, said = load(path)
    assert settings == Settings()
    assert "newer version" in said
    assert json.loads(path.with_name("settings.unused.json").read_text()) == kept


@pytest.mark.parametrize(
    ("group", "name", "value"),
    [
        ("chat", "temperature", 99),
        ("chat", "top_k", "many"),
        ("chat", "stop", ["", "", "good"]),
        ("chat", "seed", True),
        ("appearance", "theme", "pink"),
        ("presets", "Mine", {"min_p": -1}),
        ("presets", "", {}),
        ("drafting", "Model", {"tree_size": 1000}),
    ],
)
def test_a_value_that_cannot_be_used_is_said_and_the_others_stay(path, group, name, value):
    save(CHANGED, path)
    kept = json.loads(path.read_text())
    kept[group][name] = value
    path.write_text(json.dumps(kept))
    settings, said = load(path)
    assert name in said
    assert settings.chat.system_prompt == CHANGED.chat.system_prompt
    assert "Precise" in settings.presets
    assert settings.chat.context == 512


@pytest.mark.parametrize("group", ["chat", "appearance", "presets", "drafting"])
def test_a_group_that_is_none_is_replaced(path, group):
    save(CHANGED, path)
    path.write_text(json.dumps(json.loads(path.read_text()) | {group: "?"}))
    settings, said = load(path)
    assert group in said
    assert getattr(settings, group) == getattr(Settings(), group)


def test_old_versions_are_brought_up_step_by_step_and_kept(path):
    """With steps of the test's own: the file began with version 1."""
    save(CHANGED, path)
    kept = json.loads(path.read_text())
    kept["heat"] = kept["chat"].pop("temperature") + 1
    old = json.dumps(kept | {"version": -1})
    path.write_text(old)

    def first(settings):
        return {**settings, "warmth": settings["heat"]}

    def second(settings):
        return {**settings, "chat": {**settings["chat"], "temperature": settings["warmth"]}}

    settings, said = load(path, {-1: first, 0: second})
    assert said == ""
    assert settings.chat.temperature == CHANGED.chat.temperature + 1
    assert path.with_name("settings.version--1.json").read_text() == old


def test_a_step_that_fails_leaves_the_file_aside(path):
    path.parent.mkdir()
    path.write_text('{"version": 0}')
    assert "is damaged" in load(path, {0: lambda kept: kept["nothing"]})[1]
    assert path.with_name("settings.unused.json").exists()


def test_every_version_has_a_step_to_the_next():
    assert sorted(STEPS) == list(range(1, VERSION))


def test_the_theme_of_the_first_versions_is_taken_over(path):
    path.parent.mkdir()
    (path.parent / "window.ini").write_text("[General]\ngeometry=@ByteArray(%d\\x1)\ntheme=dark\n")
    assert load(path)[0] == Settings(appearance=Appearance(theme="dark"))


@pytest.mark.parametrize("text", ["theme=dark", "[General]\ntheme=pink\n", "[General\n\x00"])
def test_a_strange_file_of_the_first_versions_is_no_matter(path, text):
    path.parent.mkdir()
    (path.parent / "window.ini").write_text(text)
    assert load(path) == (Settings(), "")


def test_a_full_disk_is_said_in_one_sentence_and_the_old_file_stays(path, monkeypatch):
    save(CHANGED, path)

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(file.os, "fsync", full)
    with pytest.raises(SettingsFileError, match=r"could not be saved in .* \(No space left on device\): free some"):
        save(Settings(), path)
    monkeypatch.undo()
    assert load(path) == (CHANGED, "")
    assert [entry.name for entry in path.parent.iterdir()] == ["settings.json"]
