"""The sweep of settings, and the picture made of it."""

import pytest
from core.models import build, engine_for
from PIL import Image

from s3d_core.bench import heatmap
from s3d_core.bench.contenders import Reply
from s3d_core.bench.sweep import Cell, _count, best, grid, sweep, table
from s3d_core.errors import SettingError
from s3d_core.settings import DraftSettings, SamplingSettings

PROMPT = [7, 9, 11, 13, 5]


def a_reply(tokens, decode_ms, rounds=5):
    return Reply(list(range(tokens)), 5.0, decode_ms, 1, rounds, [], [])


def test_the_grid_goes_from_no_skipped_layer_to_most_of_them_by_every_slot():
    engine = engine_for(build("llama"))
    cells = grid(engine)
    assert sorted({cell.skipped for cell in cells}) == [0, 1, 2, 3, 4]
    assert sorted({cell.draft_length for cell in cells}) == [1, 2, 3, 4]
    assert len(cells) == len({(cell.skipped, cell.draft_length) for cell in cells}) == 20


def test_without_an_adapter_there_is_nothing_to_sweep():
    with pytest.raises(SettingError, match="train one with `s3d train`"):
        grid(engine_for(build("llama"), draft=None))


def test_every_cell_is_measured_on_every_prompt_with_its_own_settings():
    engine = engine_for(build("llama"))
    engine.stop_ids = frozenset()
    seen = []
    cells = sweep(
        engine,
        DraftSettings(tree_size=8),
        [PROMPT, PROMPT[::-1]],
        SamplingSettings(max_tokens=12),
        lambda done, what: seen.append((done, what)),
    )
    assert len(seen) == len(set(seen)) == 2 * len(cells)
    for cell in cells:
        assert cell.tokens == 24
        assert len(cell.ratios) == 2
        assert min(cell.ratios) > 0
        # Each round emits a token of the model's own, and what was drafted comes on top.
        assert 1 <= cell.tokens / cell.rounds <= cell.draft_length + 1
    winner = best(cells)
    assert winner is not None
    assert winner.record()["speed_up"] == max(cell.record()["speed_up"] for cell in cells)


def test_a_cell_is_compared_with_the_plain_replies_before_and_after_it():
    cell = Cell(12, 4)
    _count(cell, a_reply(11, 50.0), a_reply(11, 80.0), a_reply(11, 120.0))  # 200 a second over 125 and 83.3
    assert cell.ratios == pytest.approx([2.0])
    _count(cell, a_reply(1, 0.0), a_reply(11, 80.0), a_reply(11, 120.0))  # too short to be timed
    assert cell.record() | {"tokens_per_second": None} == {
        "skipped": 12,
        "draft_length": 4,
        "speed_up": pytest.approx(2.0),
        "quartiles": [pytest.approx(2.0), pytest.approx(2.0)],
        "tokens_per_second": None,
        "tokens_per_round": 1.2,
    }


def a_grid():
    return [
        Cell(skipped, length, [0.4 + 0.05 * skipped + 0.2 * length], [50.0], 100, 60)
        for length in (1, 2, 3, 4)
        for skipped in (0, 6, 12, 18)
    ]


def test_the_table_stars_the_best_cell_and_shows_what_was_not_timed():
    cells = a_grid()
    cells[0].ratios.clear()
    assert table(cells).splitlines() == [
        "drafted \\ skipped       0       6      12      18",
        "                1       -    0.90    1.20    1.50",
        "                2    0.80    1.10    1.40    1.70",
        "                3    1.00    1.30    1.60    1.90",
        "                4    1.20    1.50    1.80   2.10*",
    ]


def test_the_picture_shows_each_cell_in_the_colour_of_its_speed_up(tmp_path):
    cells, file = a_grid(), tmp_path / "sweep.png"
    cells[0].ratios.clear()
    heatmap.draw(cells, "A title", ["a model", "a machine"], file)
    with Image.open(file) as image:
        assert image.format == "PNG"
        shown = {colour for _, colour in image.getcolors(1 << 16)}
    assert {heatmap.colour(cell.speed_up) for cell in cells[1:]} <= shown
    assert heatmap._NOTHING in shown


def test_colours_turn_at_the_speed_of_plain_decoding():
    pale = heatmap.colour(1.0)
    assert min(pale) > 230
    slow, fast = heatmap.colour(0.7), heatmap.colour(1.4)
    assert slow[0] > slow[2]
    assert fast[2] > fast[0]
    assert heatmap.colour(0.1) == heatmap.colour(0.5)
    assert heatmap.colour(9.0) == heatmap.colour(2.0)
