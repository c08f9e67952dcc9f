"""The button that measures plain against drafted, in the real window."""

from dataclasses import replace

from PySide6.QtCore import Qt
from ui.conftest import PATIENCE_MS

from app.engine.compare import TOKENS, Comparison, Run
from app.engine.phase import Phase
from app.ui.speed.compare import said_of
from s3d_core.settings import DraftSettings
from s3d_core.stats import Totals


def run(ids: tuple[int, ...], ms: float) -> Run:
    return Run(ids, Totals(tokens=len(ids), total_ms=ms))


def found(other: tuple[int, ...], **settings) -> Comparison:
    plain = (run((1, 2, 3), 30.0),) * 2
    return Comparison(DraftSettings(**settings), plain, (run((1, 2, 3), 20.0), run(other, 20.0)))


def test_the_outcome_is_told_with_the_proof_that_the_texts_are_equal():
    assert said_of(found((1, 2, 3))) == "1.50× the plain speed\n✓ The same 3 tokens in all 4 runs"
    assert "differ from token 2 on; in half precision" in said_of(found((1, 9, 3)))
    assert "as the slider towards fast allows" in said_of(found((1, 9, 3), exactness=0.5))


def test_measuring_needs_a_question_and_shows_both_speeds(window, engine, say, qtbot):
    card = window.panel.compare
    qtbot.mouseClick(card.button, Qt.MouseButton.LeftButton)
    assert card.result.text().startswith("Ask something first")
    assert window.link.phase == Phase.READY
    window.desk.preferences.set_chat("seed", 3)  # else every answer has another
    say(window, "Hello")
    seen, asked = len(engine.seen), engine.sampled[-1]
    qtbot.mouseClick(card.button, Qt.MouseButton.LeftButton)
    assert window.link.phase == Phase.COMPARING
    assert not window.chat.composer.button.isEnabled()
    qtbot.waitUntil(lambda: window.link.phase == Phase.READY, timeout=PATIENCE_MS)
    assert [settings.strategy for settings in engine.seen[seen:]][::3] == ["plain", "s3d", "plain", "s3d"]
    assert engine.asked[-1] == [{"role": "user", "content": "Hello"}]
    assert len({sampling.seed for sampling in engine.sampled[-4:]}) == 1
    assert engine.sampled[-1] == replace(asked, max_tokens=TOKENS, seed=engine.sampled[-1].seed)
    assert "✓ The same" in card.result.text()
    assert "Plain " in card.bars.accessibleDescription()
    assert len(window.conversation.turns) == 2, "measuring adds nothing to the chat"


def test_measuring_is_stopped_by_its_button_and_by_escape(window, engine, say, qtbot):
    say(window, "Hello")
    card, engine.tokens_per_second = window.panel.compare, 5.0
    for stop in (
        lambda: qtbot.mouseClick(card.button, Qt.MouseButton.LeftButton),
        lambda: qtbot.keyClick(window, Qt.Key.Key_Escape),
    ):
        qtbot.mouseClick(card.button, Qt.MouseButton.LeftButton)
        assert card.button.text() == "Stop"
        stop()
        qtbot.waitUntil(lambda: window.link.phase == Phase.READY, timeout=PATIENCE_MS)
        assert card.button.text() == "Measure"
        assert card.result.isHidden()
        assert not window.chat.notice.text


def test_with_drafting_off_the_settings_it_would_have_are_measured(window, engine, say, qtbot):
    say(window, "Hello")
    window.panel.drafting.setChecked(False)
    qtbot.mouseClick(window.panel.compare.button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: window.link.phase == Phase.READY, timeout=PATIENCE_MS)
    assert engine.seen[-1].strategy == "s3d"


def test_another_chat_has_nothing_measured_yet(window, engine, say, qtbot):
    say(window, "Hello")
    card = window.panel.compare
    qtbot.mouseClick(card.button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not card.result.isHidden(), timeout=PATIENCE_MS)
    qtbot.waitUntil(lambda: window.link.phase == Phase.READY, timeout=PATIENCE_MS)
    window.new_chat()
    assert card.result.isHidden()
    qtbot.mouseClick(card.button, Qt.MouseButton.LeftButton)
    assert window.link.phase == Phase.READY
    assert card.result.text().startswith("Ask something first")
