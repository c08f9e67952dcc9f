"""The controls of drafting: Auto, the strategies, and sliders that follow or lead."""

from dataclasses import replace

import pytest
from PySide6.QtCore import Qt
from ui.conftest import PATIENCE_MS
from ui.scripted import INFO, scripted_parts

from app.settings.values import Drafting
from app.ui.settings.preferences import Preferences
from app.ui.speed.choices import Lately, by_hand, used
from app.ui.speed.drafting import DraftControls
from s3d_core.settings import STRATEGIES, DraftSettings
from s3d_core.stats import Round

AUTO = replace(INFO, defaults=DraftSettings(strategy="auto", tree_size=8, least_probability=0.06))
BARE = replace(AUTO, adapter_bytes=0)


def a_round(strategy="s3d", skipped=9, length=3, tree=5, drafted=5, reason=None) -> Round:
    settings = DraftSettings(strategy, skipped, length, tree)
    return Round((1, 2), (), drafted, 1, length, 0, 1.0, 1.0, 3.0, 50, settings, reason)


@pytest.fixture
def controls(qtbot) -> DraftControls:
    made = DraftControls()
    qtbot.addWidget(made)
    made.show_model(AUTO)
    made.show()
    return made


def test_auto_is_on_where_the_model_wishes_it(controls):
    assert controls.auto.isChecked()
    assert controls.chosen == AUTO.defaults
    controls.show_model(INFO)
    assert not controls.auto.isChecked()
    assert controls.chosen == INFO.defaults


def test_the_sliders_follow_what_auto_chose(controls):
    controls.add_rounds([a_round(skipped=7, length=4, tree=11, reason="stop")])
    assert [slider.value for slider in controls.sliders[:3]] == [7, 4, 11]
    assert controls.strategy.value == "s3d"
    assert controls.chosen == AUTO.defaults, "following changes nothing"
    controls.add_rounds([a_round("lookup", 12, 2, 2, reason="stop")] * 9)
    assert controls.strategy.value == "lookup"
    assert [slider.value for slider in controls.sliders[:3]] == [7, 2, 2], "a copy skips no layers"


def test_turning_a_slider_turns_auto_off_and_keeps_the_rest_as_auto_had_it(controls):
    controls.add_rounds([a_round(skipped=7, length=4, tree=11, reason="stop")])
    controls.tree_size.slider.setValue(20)
    assert not controls.auto.isChecked()
    assert controls.chosen == replace(AUTO.defaults, strategy="s3d", skipped=7, draft_length=4, tree_size=20)
    controls.add_rounds([a_round(tree=2, reason="stop")])
    assert controls.tree_size.value == 20


def test_skipping_layers_by_hand_while_auto_copies_drafts_with_layers(controls):
    controls.add_rounds([a_round("lookup", reason="stop")])
    controls.skipped.slider.setValue(14)
    assert (controls.chosen.strategy, controls.chosen.skipped) == ("s3d", 14)


def test_exactness_is_the_users_alone_and_leaves_auto_on(controls):
    controls.exactness.slider.setValue(40)
    assert controls.chosen == replace(AUTO.defaults, exactness=0.6)
    assert controls.auto.isChecked()


def test_choosing_a_strategy_by_mouse_turns_auto_off(controls, qtbot):
    with qtbot.waitSignal(controls.changed):
        qtbot.mouseClick(controls.strategy.buttons["lookup"], Qt.MouseButton.LeftButton)
    assert controls.chosen.strategy == "lookup"
    assert not controls.auto.isChecked()
    assert not controls.skipped.isEnabled()


def test_without_an_adapter_it_is_said_what_drafts_and_that_training_would_bring_more(controls, qtbot):
    assert controls.train.isHidden()
    controls.show_model(BARE)
    assert not controls.train.isHidden()
    assert controls.strategy.buttons["s3d"].isHidden()
    assert "no draft adapter" in controls._used.text()
    controls.auto.setChecked(False)
    assert controls.chosen.strategy == "lookup"
    assert "copied from what was said before" in controls._used.text()
    with qtbot.waitSignal(controls.train_wanted):
        qtbot.mouseClick(controls.train, Qt.MouseButton.LeftButton)


def test_a_format_that_verifies_slowly_is_marked_so_until_another_model_is_loaded(controls):
    assert not controls.slow.isVisible()
    controls.show_model(replace(AUTO, dtype="nf4", verify_ratio=2.44))
    assert controls.slow.isVisible()
    assert controls.slow.text() == (
        "Verifying is slow in this format here: in nf4, 17 rows take 2.4 × a plain step, so that drafts gain little. "
        "bfloat16 gains more where it fits into the memory."
    )
    controls.show_model(replace(AUTO, dtype="nf4", verify_ratio=1.2))
    assert not controls.slow.isVisible()
    controls.show_model(replace(AUTO, dtype="bfloat16", verify_ratio=2.44))
    assert not controls.slow.isVisible(), "it is what the others are compared with"


def test_drafting_off_is_plain_and_on_again_is_what_it_was(controls):
    controls.drafting.setChecked(False)
    assert controls.chosen.strategy == "plain"
    assert controls.wish.strategy == "auto"
    assert not controls.auto.isEnabled()
    controls.drafting.setChecked(True)
    assert controls.chosen == AUTO.defaults


def test_the_typical_round_is_the_most_frequent_with_the_middle_of_its_numbers():
    lately = Lately()
    lately.add([a_round(tree=size, drafted=size) for size in (2, 30, 4)] + [a_round("lookup", drafted=3)])
    lately.add([a_round("plain", drafted=0)] * 3 + [a_round("lookup", drafted=0)])
    assert (lately.typical.strategy, lately.typical.tree_size) == ("s3d", 4)
    assert Lately().sentence == ""
    assert lately.sentence == "Last 8 rounds: 4 plain, 3 by S3D, 1 copied."


def test_every_strategy_has_its_sentence():
    for strategy in STRATEGIES:
        assert used(AUTO, DraftSettings(strategy)).endswith(".")
    assert by_hand(BARE).strategy == "lookup"
    assert by_hand(AUTO).strategy == "s3d"
    assert by_hand(INFO) == INFO.defaults


def test_the_wheel_over_a_slider_without_focus_turns_nothing(controls, qtbot):
    from PySide6.QtCore import QPoint, QPointF
    from PySide6.QtGui import QWheelEvent
    from PySide6.QtWidgets import QApplication

    slider = controls.tree_size.slider
    place = QPointF(slider.rect().center())
    for delta in (120, -120):
        turn = QWheelEvent(
            place,
            slider.mapToGlobal(place),
            QPoint(),
            QPoint(0, delta),
            Qt.MouseButton.NoButton,
            Qt.KeyboardModifier.NoModifier,
            Qt.ScrollPhase.NoScrollPhase,
            False,
        )
        QApplication.sendEvent(slider, turn)
    assert controls.tree_size.value == 8
    assert controls.auto.isChecked()


def test_in_the_window_auto_is_followed_live_and_a_slider_takes_over(open_window, engine, say, qtbot):
    engine.info, engine.reply = AUTO, "word " * 2000
    window = open_window(scripted_parts(engine))
    say(window, "Go", wait=False)
    qtbot.waitUntil(lambda: window.panel.skipped.value == 9, timeout=PATIENCE_MS)
    assert {settings.strategy for settings in engine.seen} == {"auto"}
    qtbot.waitUntil(lambda: "by S3D" in window.panel.controls._used.text(), timeout=PATIENCE_MS)
    qtbot.keyClick(window.panel.skipped.slider, Qt.Key.Key_Right)
    rounds = len(engine.seen)
    qtbot.waitUntil(lambda: len(engine.seen) > rounds + 2, timeout=PATIENCE_MS)
    assert (engine.seen[-1].strategy, engine.seen[-1].skipped) == ("s3d", 10)
    window.stop()


def test_in_the_window_a_loaded_model_says_that_its_format_verifies_slowly(open_window, engine):
    engine.info = replace(AUTO, dtype="nf4", verify_ratio=3.0)
    window = open_window(scripted_parts(engine))
    assert "in nf4, 17 rows take 3.0 × a plain step" in window.panel.controls.slow.text()
    window.stop()


def test_what_was_chosen_by_hand_is_there_after_a_restart(qapp, open_window, engine, qtbot, tmp_path):
    engine.info = AUTO
    window = open_window(scripted_parts(engine), preferences=Preferences(tmp_path / "settings.json"))
    qtbot.mouseClick(window.panel.controls.strategy.buttons["skip"], Qt.MouseButton.LeftButton)
    for slider, value in zip(window.panel.controls.sliders, (14, 3, 9, 40), strict=True):
        slider.slider.setValue(value)
    chosen = window.panel.controls.chosen
    with qtbot.waitSignal(window.closed, timeout=PATIENCE_MS):
        window.close()
    again = open_window(scripted_parts(engine), preferences=Preferences(tmp_path / "settings.json"))
    assert not again.panel.controls.auto.isChecked()
    assert again.panel.controls.chosen == chosen == again.link.settings.value
    assert (chosen.strategy, chosen.skipped, chosen.draft_length, chosen.tree_size) == ("skip", 14, 3, 9)
    assert chosen.exactness == pytest.approx(0.6)

    again.panel.controls.auto.click()
    again.panel.drafting.click()
    with qtbot.waitSignal(again.closed, timeout=PATIENCE_MS):
        again.close()
    last = open_window(scripted_parts(engine), preferences=Preferences(tmp_path / "settings.json"))
    assert last.panel.controls.auto.isChecked()
    assert last.link.settings.value.strategy == "plain"
    last.panel.drafting.click()
    assert last.link.settings.value == replace(AUTO.defaults, exactness=chosen.exactness)


def test_what_a_model_cannot_do_gives_way_to_what_it_can(controls):
    told = []
    controls.wished.connect(told.append)
    controls.show_model(BARE, Drafting(auto=False, strategy="s3d", skipped=900, draft_length=8, tree_size=40))
    assert controls.chosen.strategy == "lookup"
    assert controls.chosen.skipped == BARE.most_skipped
    assert controls.chosen.draft_length == BARE.most_drafted
    assert not told, "only what the user does is remembered"
