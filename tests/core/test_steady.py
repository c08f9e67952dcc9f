"""A reply's time made of what its passes usually take."""

import pytest
from core.models import build, engine_for

from s3d_core.bench.contenders import Ours, assemble, check_names
from s3d_core.bench.run import measure, summary
from s3d_core.bench.steady import Part, parts, steady_ms, usual
from s3d_core.errors import SettingError
from s3d_core.settings import DraftSettings, SamplingSettings
from s3d_core.stats import Round

PROMPT = [7, 9, 11, 13, 5]
GREEDY = SamplingSettings(max_tokens=24)
DRAFT = DraftSettings("s3d", skipped=2, draft_length=4, tree_size=12)


def a_round(drafted=5, draft_ms=3.0, verify_ms=10.0, context=100, **settings):
    settings = DraftSettings("s3d", **settings)
    return Round((1, 2), (("ab", True),), drafted, 1, 2, 0, draft_ms, verify_ms, 14.0, context, settings)


def test_a_round_is_its_draft_its_verify_pass_and_the_rest():
    draft, verify, rest = parts("mine", a_round(), 15.0)
    assert (draft.ms, verify.ms, rest.ms) == (3.0, 10.0, 2.0)


def test_shapes_are_told_apart_by_what_they_take_time_for():
    def shapes(name="mine", **more):
        return [part.shape for part in parts(name, a_round(**more), 15.0)]

    draft, verify, rest = shapes()
    assert shapes(draft_ms=9.0, verify_ms=9.0) == [draft, verify, rest]
    assert shapes(skipped=3)[0] != draft
    assert shapes(skipped=3)[1:] == [verify, rest]
    assert shapes("another")[0] != draft
    assert shapes("another")[1] == verify
    assert shapes(drafted=6)[1] != verify
    assert shapes(context=900)[1] != verify


ONE, FIVE, DRAFT_PASS = ("verify", 1), ("verify", 5), ("draft", "auto")


def replies(pace, *shapes):
    """Parts of a prompt's replies where everything takes so many times its usual 10, 15 and 6 ms."""
    ms = {ONE: 10.0, FIVE: 15.0, DRAFT_PASS: 6.0}
    return [Part(shape, pace * ms[shape]) for shape in shapes]


def test_a_reply_is_made_of_what_its_passes_usually_take():
    steady = usual([replies(1.0, ONE, FIVE)] * 3)
    assert steady_ms(replies(1.0, ONE, ONE, FIVE), steady) == pytest.approx(35.0)


def test_a_slow_moment_changes_nothing():
    """Passes that came up in a slow minute only were taken for slow, and so was who made them."""
    prompts = [replies(1.0, *[ONE] * 9, FIVE)] * 3 + [replies(2.5, *[ONE] * 9, DRAFT_PASS, FIVE, FIVE)]
    steady = usual(prompts)
    assert steady[DRAFT_PASS] / steady[ONE] == pytest.approx(0.6)
    assert steady[FIVE] / steady[ONE] == pytest.approx(1.5)


def test_a_single_pause_changes_nothing():
    prompts = [[*replies(1.0, *[ONE] * 9, *[FIVE] * 3), Part(ONE, 900.0), Part(FIVE, 0.0)]] * 2
    steady = usual(prompts)
    assert steady[FIVE] / steady[ONE] == pytest.approx(1.5)


@pytest.fixture(scope="module")
def engine():
    return engine_for(build("llama"))


def test_a_replys_parts_are_its_time(engine):
    reply = Ours(engine, DRAFT).reply(PROMPT, GREEDY)
    assert len(reply.parts) == 3 * (reply.rounds - 1)
    assert sum(part.ms for part in reply.parts) == pytest.approx(reply.decode_ms, rel=1e-6)


def test_a_comparison_tells_steady_ratios_of_ours_and_none_of_peers(engine):
    contenders = assemble(["plain", "s3d", "s3d:skip=0:tree=3", "lookup:draft=2"], engine, DRAFT, pytest.fail)
    rows = measure(contenders, [("a", PROMPT), ("b", [8, 30, 7])], GREEDY, lambda done, name: None)
    for row in rows[:1]:
        row.replies[0].parts.clear()  # as a peer's, or a reply that ended with its first pass
    records = summary(rows)
    assert [r["strategy"] for r in records] == ["plain", "s3d", "s3d:skip=0:tree=3", "lookup:draft=2"]
    assert records[0]["steady_ratio"] == pytest.approx(1.0)
    assert all(r["steady_ratio"] > 0 for r in records)
    assert records[1]["by_category"]["a"]["steady_ratio"] is None
    assert records[1]["by_category"]["b"]["steady_ratio"] > 0
    assert all(r["same_text_as_plain"] == 2 for r in records)


def test_a_contender_runs_with_settings_of_its_own(engine):
    of_three, none_skipped = assemble(["s3d:tree=3:draft=2", "s3d:skip=0:least=0.5"], engine, DRAFT, pytest.fail)
    assert len(of_three.reply(PROMPT, GREEDY).tried_per_slot) <= 2
    skipped = {part.shape[3] for part in none_skipped.reply(PROMPT, GREEDY).parts if part.shape[0] == "draft"}
    assert skipped == {0}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("s3d:depth=3", "'depth=3' is no setting of a strategy; write for example s3d:skip=12:tree=5"),
        ("s3d:skip", "skip in 's3d:skip' needs a number"),
        ("s3d:skip=few", "skip in 's3d:skip=few' needs a number"),
        ("s3d:draft=99", "draft"),
        ("hf:skip=3", "hf has no settings here; leave out ':skip=3'"),
        ("magic:skip=3", "There is no strategy 'magic'"),
    ],
)
def test_settings_that_cannot_be(name, said):
    with pytest.raises(SettingError, match=said):
        check_names([name])
