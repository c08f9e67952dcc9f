"""The figures of the speed panel and the pictures it draws."""

import pytest
from PySide6.QtWidgets import QScrollArea

from app.engine.live import LiveSettings
from app.ui.speed.drawings import kept_layers
from app.ui.speed.meter import MOST_POINTS, SpeedMeter, summary
from app.ui.speed.panel import SpeedPanel
from app.ui.speed.plot import round_step, said_of
from s3d_core.settings import DraftSettings
from s3d_core.stats import ModelInfo, Round, Totals


def a_round(tokens=3, ms=30.0, accepted=2, relaxed=0) -> Round:
    return Round(tuple(range(tokens)), (), 16, accepted, 4, relaxed, ms / 2, ms / 2, ms, 50, DraftSettings())


def test_the_meter_shows_the_recent_rounds_and_then_the_whole_reply():
    meter = SpeedMeter()
    meter.set_plain(20.0)
    meter.start()
    meter.add([a_round(ms=300.0) for _ in range(20)])
    meter.add([a_round(ms=30.0) for _ in range(100)])
    assert meter.shown.tokens_per_second == pytest.approx(100)
    assert meter.shown.speedup == pytest.approx(2)
    meter.finish(meter.totals)
    assert meter.shown.tokens_per_second == pytest.approx(360 / 9)
    meter.set_plain(40.0)
    assert meter.shown.speedup == pytest.approx(0.8), "what is measured later says nothing of this reply"


def test_a_long_reply_keeps_a_bounded_number_of_points_in_order():
    meter = SpeedMeter()
    for _ in range(5 * MOST_POINTS):
        meter.add([a_round()])
    assert len(meter.points) <= MOST_POINTS
    assert meter.points == sorted(meter.points)


def test_the_line_below_a_reply_tells_speed_and_end():
    totals = Totals(plain_ms=20.0, prefill_ms=100.0).add_all([a_round()] * 10)
    totals.stop_reason = "length"
    said = summary(totals)
    assert "100.0 tokens/s · 2.00× plain · 3.00 tokens per round · 30 tokens · first after 0.13 s" in said
    assert said.endswith("stopped at the length limit")


@pytest.mark.parametrize(
    ("reason", "said"),
    [("stop", "the model ended it"), ("context", "the context is full"), ("cancelled", "stopped")],
)
def test_the_line_below_a_reply_always_tells_why_it_ended(reason, said):
    totals = Totals(plain_ms=20.0).add_all([a_round(relaxed=1)] * 10)
    totals.stop_reason = reason
    assert summary(totals).endswith(f"33.3% not exact · {said}")


def test_the_plot_remembers_what_plain_decoding_was_at_each_moment():
    meter = SpeedMeter()
    for plain in (20.0, 25.0):
        meter.set_plain(plain)
        meter.add([a_round(ms=30.0)])
    assert [point.plain for point in meter.points] == [50.0, 40.0]
    assert [point.speed for point in meter.points] == pytest.approx([100.0, 100.0])
    assert said_of(meter.points[-1]) == "after 0.1 s: 100.0 tokens/s\nplain then: 40.0 tokens/s, 2.50×"


@pytest.mark.parametrize("highest", [0.4, 3.0, 9.0, 17.0, 76.0, 116.0, 260.0, 1900.0])
def test_the_plot_has_a_few_round_numbers_at_any_height(highest):
    step = round_step(highest)
    assert highest / step <= 4
    assert highest < 4 or highest / step > 1
    assert step.is_integer()


def test_the_panel_shows_the_share_that_plain_decoding_would_not_have_chosen(qtbot):
    panel = SpeedPanel(LiveSettings())
    qtbot.addWidget(panel)
    panel.start_reply()
    panel.add_rounds([a_round(tokens=4, relaxed=1), a_round(tokens=4)])
    assert panel.relaxed.text().startswith("12.5%")
    panel.set_plain(25.0)
    assert panel.speedup.toolTip().startswith("plain: 40.0 tok/s measured on this machine\n")


def test_a_model_without_an_adapter_locks_the_layers(qtbot):
    settings = LiveSettings()
    panel = SpeedPanel(settings)
    qtbot.addWidget(panel)
    wish = DraftSettings(strategy="lookup", draft_length=4)
    panel.show_model(ModelInfo("m", "/m", "Llama", 30, 28, 8, 2048, "cpu", "float32", 1, 0, wish))
    assert settings.value.strategy == "lookup"
    assert not panel.skipped.isEnabled()
    assert panel.draft_length.isEnabled()
    panel.exactness.slider.setValue(25)
    assert settings.value.exactness == 0.75


def test_the_drawn_layers_are_those_the_decoder_keeps():
    target = pytest.importorskip("s3d_core.target")

    class Shape:
        depth = 31

        def most_skipped(self):
            return 29

    for skipped in range(30):
        assert kept_layers(31, skipped) == target.Target.kept_layers(Shape(), skipped)


def test_what_no_slider_shows_stays_as_the_model_wishes(qtbot):
    settings = LiveSettings()
    panel = SpeedPanel(settings)
    qtbot.addWidget(panel)
    wish = DraftSettings(least_probability=0.06)
    panel.show_model(ModelInfo("m", "/m", "Llama", 30, 28, 8, 2048, "cpu", "float32", 1, 0, wish))
    panel.tree_size.slider.setValue(5)
    assert settings.value.tree_size == 5
    assert settings.value.least_probability == 0.06


def test_nothing_in_the_panel_is_cut_off_at_any_font_size(window, qtbot):
    scroll, heights = window.panel.findChild(QScrollArea), []
    try:
        for points in (8, 11, 16):
            window.desk.theme.set_font_size(points)
            qtbot.waitUntil(lambda: scroll.widget().minimumSizeHint().width() <= scroll.viewport().width())
            heights.append(window.panel.slots.height())
    finally:
        window.desk.theme.set_font_size(None)
    assert heights[0] < heights[1] < heights[2]
