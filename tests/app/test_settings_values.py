"""Settings: their bounds, what the decoder gets, presets, and what a chat has otherwise."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from app.settings.values import APPEARANCE, CHAT, MOST_MODELS, RUNNING, ChatSettings, Drafting, Settings
from s3d_core.errors import SettingError
from s3d_core.settings import SamplingSettings

NUMBERS = [declared for declared in CHAT.values() if declared.kind in ("whole", "number")]


@pytest.mark.parametrize(
    "declared", [*CHAT.values(), *APPEARANCE.values(), *RUNNING.values()], ids=lambda declared: declared.name
)
def test_every_setting_has_a_title_an_explanation_and_a_page(declared):
    assert declared.title
    assert declared.about.endswith(".")
    assert declared.page in ("chat", "sampling", "model", "appearance")


@pytest.mark.parametrize("declared", NUMBERS, ids=lambda declared: declared.name)
def test_bounds_are_kept_and_said(declared):
    for good in (declared.low, declared.high):
        assert getattr(ChatSettings().changed(declared.name, good), declared.name) == good
    for bad in (declared.low - 1, declared.high + 1, float("nan"), "many"):
        with pytest.raises(SettingError, match=f"{declared.title} must be .* from .* to "):
            ChatSettings().changed(declared.name, bad)


def test_every_number_can_start_within_its_bounds():
    for declared in (*CHAT.values(), *APPEARANCE.values()):
        if declared.none:
            assert declared.low <= declared.start <= declared.high


def test_what_the_bounds_allow_the_decoder_takes():
    for declared in NUMBERS:
        for edge in (declared.low, declared.high):
            assert isinstance(ChatSettings().changed(declared.name, edge).sampling(), SamplingSettings)


def test_a_fixed_seed_moves_on_with_each_retry_and_another_each_time_is_another():
    fixed = ChatSettings(seed=7)
    assert [fixed.sampling(retry).seed for retry in (0, 0, 1, 2)] == [7, 7, 8, 9]
    assert len({ChatSettings().sampling().seed for _ in range(5)}) > 1


def test_every_part_of_the_sampling_is_passed_on():
    chat = ChatSettings(temperature=0.5, top_k=3, top_p=0.5, min_p=0.1, repetition_penalty=1.5, max_tokens=9, seed=1)
    taken = chat.changed("stop", ("END",)).sampling()
    wanted = SamplingSettings(0.5, 3, 0.5, 0.1, 1.5, 1, 9, ("END",))
    assert taken == wanted


def test_a_chat_has_its_own_settings_and_the_rest_are_the_usual_ones(caplog):
    chat = ChatSettings().overridden({"temperature": 1.5, "stop": ["a"], "top_k": -4, "no such": 1})
    assert (chat.temperature, chat.stop, chat.top_k) == (1.5, ("a",), ChatSettings().top_k)
    assert "Top-k must be" in caplog.text


def test_presets_are_saved_renamed_in_their_place_and_deleted():
    before = Settings().with_preset("A", ChatSettings()).with_preset("  B \n c ", ChatSettings(seed=3))
    renamed = before.with_preset_renamed("A", "Z")
    assert list(renamed.presets) == ["Precise", "Creative", "Z", "B c"]
    assert renamed.without_preset("Z").presets["B c"].seed == 3


@pytest.mark.parametrize("name", ["", " \n", "x" * 61])
def test_a_preset_needs_a_name_of_bearable_length(name):
    with pytest.raises(SettingError, match="1 to 60 letters"):
        Settings().with_preset(name, ChatSettings())


def test_a_preset_is_not_renamed_over_another():
    with pytest.raises(SettingError, match="“Creative” already"):
        Settings().with_preset_renamed("Precise", "Creative")


@given(some.dictionaries(some.sampled_from([*CHAT, "other"]), some.one_of(some.none(), some.integers(), some.text())))
def test_overrides_of_any_kind_never_raise(overrides):
    assert isinstance(ChatSettings().overridden(overrides).sampling(), SamplingSettings)


def test_how_a_model_drafts_is_remembered_for_the_models_turned_last():
    settings = Settings()
    for number in range(MOST_MODELS + 3):
        settings = settings.with_drafting(f"model {number}", Drafting(skipped=number))
    settings = settings.with_drafting("model 9", Drafting(auto=False))
    assert len(settings.drafting) == MOST_MODELS
    assert list(settings.drafting)[-1] == "model 9"
    assert "model 2" not in settings.drafting
    assert settings.drafting["model 10"].skipped == 10
