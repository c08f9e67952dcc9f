"""Scaling curves: every point beside plain decoding, within the time, and interrupted."""

import json

import pytest
from core.models import build, engine_for

from s3d_core.bench.contenders import Reply
from s3d_core.bench.curves import _QUESTION, NAMES, Point, grid, long_prompt, measure_curves, table
from s3d_core.errors import SettingError
from s3d_core.settings import MAX_DRAFT_LENGTH, DraftSettings, SamplingSettings

QUESTIONS = ["w7 w8 w9 w7 w8", "w30 w31"]
SAMPLING = SamplingSettings(max_tokens=8)
DRAFT = DraftSettings(tree_size=8, skipped=2, least_probability=0.0)


@pytest.fixture(scope="module")
def engine():
    engine = engine_for(build("llama"))
    engine.stop_ids = frozenset()
    return engine


def test_the_curves_go_to_what_the_model_and_the_settings_allow(engine):
    context, length, tree, skipped = grid(engine, 32)
    assert [p.x for p in context.points] == [256, 480]
    assert [p.x for p in length.points] == list(range(1, MAX_DRAFT_LENGTH + 1))  # also more than the adapter's slots
    assert (tree.points[0].x, tree.points[-1].x) == (1, 64)
    assert [p.x for p in skipped.points] == [0, 1, 2, 3, 4]


def test_what_has_no_curves_is_said(engine):
    with pytest.raises(SettingError, match="train one with `s3d train`"):
        grid(engine_for(build("llama"), draft=None), 8)
    with pytest.raises(SettingError, match="needs a context of 556 tokens"):
        grid(engine, 300)


@pytest.mark.parametrize("length", [40, 256, 480])
def test_a_long_prompt_has_just_that_length_and_ends_with_the_question(engine, length):
    ids = long_prompt(engine, QUESTIONS, length)
    assert len(ids) == length
    question = engine.chat_ids([{"role": "user", "content": _QUESTION}])
    assert ids[0] == question[0]
    assert ids[-len(question) + 1 :] == question[1:]
    assert len(set(ids)) > 4


def test_every_point_is_measured_beside_plain_at_its_own_context(engine):
    seen = []
    curves = measure_curves(engine, DRAFT, QUESTIONS, SAMPLING, 600.0, lambda what, share: seen.append((what, share)))
    assert tuple(curve.name for curve in curves) == NAMES
    assert all(0 <= share <= 1 for _, share in seen)
    assert {what.rsplit(" ", 1)[0] for what, _ in seen} == set(NAMES)
    for curve in curves:
        record = curve.record()
        assert record["left_out"] == []
        for point in record["points"]:
            assert point["prompts"] == 2
            assert point["ratio"]["median"] > 0
            assert point["tokens_per_second"]["median"] > 0
            assert point["plain_tokens_per_second"]["median"] > 0
            assert point["tokens_per_round"]["median"] >= 1
    assert all(p["verify_ms"]["median"] > 0 for p in curves[1].record()["points"])
    assert all(p["time_to_first_token_ms"]["median"] > 0 for p in curves[0].record()["points"])
    json.dumps([curve.record() for curve in curves], allow_nan=False)
    assert len(table(curves).splitlines()) == sum(len(c.points) + 1 for c in curves) + len(curves) - 1


def test_without_time_what_was_not_reached_is_told(engine):
    curves = measure_curves(engine, DRAFT, QUESTIONS, SAMPLING, 1e-9, lambda *_: None)
    assert curves[0].record()["left_out"] == [256, 504]
    assert "Not reached in the time: 256, 504; --minutes gives more." in table(curves)


def test_stopped_it_tells_what_it_has(engine):
    asked = []

    def stopped():
        asked.append(1)
        return len(asked) > 3

    curves = measure_curves(engine, DRAFT, QUESTIONS, SAMPLING, 600.0, lambda *_: None, stopped)
    measured = [point for curve in curves for point in curve.points if point.per_round]
    assert 0 < len(measured) < sum(len(curve.points) for curve in curves)
    assert curves[3].record()["points"] == []


def test_a_point_has_the_speed_over_the_plain_replies_around_it():
    def reply(ms, **more):
        return Reply(list(range(11)), 5.0, ms, 1, 5, [], [], **more)

    point = Point(3)
    point.count(reply(50.0, draft_ms=[2.0, 4.0], verify_ms=[9.0]), reply(80.0), reply(120.0))
    found = point.record()
    assert found["ratio"]["median"] == pytest.approx(2.0)
    assert found["plain_tokens_per_second"]["median"] == pytest.approx(100.0)
    assert (found["draft_ms"]["median"], found["verify_ms"]["median"]) == (3.0, 9.0)
    assert found["tokens_per_round"]["median"] == pytest.approx(2.2)
