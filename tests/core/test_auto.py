"""Auto chooses by what passes cost and drafts bring; the text is never its business (see test_exactness)."""

from core.models import build, engine_for, random_adapter

from s3d_core.adapter import Adapter
from s3d_core.costs import Costs
from s3d_core.policy import Rate
from s3d_core.settings import DraftSettings, SamplingSettings

AUTO = DraftSettings("auto")
# Passes that cost so are chosen from; what the rounds of so small a model really take is not seen.
CHEAP = ({1: 10.0, 33: 10.0}, {2: 0.001})
DEAR_DRAFTS = ({1: 10.0, 33: 11.0}, {2: 100.0})
DEAR_ROWS = ({1: 10.0, 2: 100.0, 33: 3000.0}, {2: 100.0})


class FixedCosts(Costs):
    """Costs that no round changes."""

    def saw_verify(self, rows, ms):
        pass

    def saw_draft(self, skipped, ms):
        pass


class FixedRate(Rate):
    """A token for every plain step, whatever this machine takes for it."""

    def saw(self, tokens, ms):
        pass


def sure_adapter(target, slots):
    """Untrained and with no layer skipped, its first slot is the model itself."""
    adapter = Adapter.fresh(target, slots=slots, rank=4, layers=tuple(range(target.depth)))
    adapter.card = {"accepted_by_skipped": {"0": 1.0}}
    return adapter


def used(costs, prompt, tokens=120, draft=random_adapter):
    """The rounds of a reply under given costs."""
    engine = engine_for(build("llama"), draft=draft)
    auto = engine.strategies["auto"]
    auto.policy.costs, auto.policy.rate = FixedCosts(*costs), FixedRate(10.0)
    return list(engine.generate(prompt, AUTO, SamplingSettings(max_tokens=tokens)))


def test_drafts_that_cost_next_to_nothing_are_made_all_the_time():
    rounds = used(CHEAP, [7, 9, 11, 13, 5], draft=sure_adapter)
    drafted = [done for done in rounds if done.settings.strategy == "s3d"]
    assert len(drafted) > 0.8 * len(rounds)
    assert all(done.settings.skipped == 0 and done.accepted >= 1 for done in drafted)


def test_drafts_are_tried_the_more_rarely_the_more_they_cost():
    def tried(draft_ms):
        rounds = used((DEAR_DRAFTS[0], {2: draft_ms}), [7, 9, 11, 13, 5], tokens=400)
        return [i for i, done in enumerate(rounds) if done.settings.strategy == "s3d"]

    dear, dearer = tried(20.0), tried(30.0)
    # A try loses some 2 and 3 tokens, of which there may be one in a hundred.
    assert 1 <= len(dearer) <= 2
    assert len(dearer) < len(dear) <= 6


def test_repeated_words_are_copied_without_a_draft_pass():
    rounds = used(DEAR_DRAFTS, [7, 9, 11, 13, 5] * 12)
    assert sum(done.settings.strategy == "lookup" for done in rounds) > 3


def test_where_every_row_costs_dearly_decoding_is_plain():
    rounds = used(DEAR_ROWS, [7, 9, 11, 13, 5] * 4, tokens=40)
    assert [done.settings.strategy for done in rounds] == ["plain"] * 40
    assert not any(done.drafted for done in rounds)


def test_a_round_tells_what_was_chosen_and_never_more_than_was_verified():
    rounds = used(CHEAP, [7, 9, 11, 13, 5])
    assert {done.settings.strategy for done in rounds} >= {"lookup", "s3d"}
    for done in rounds:
        if done.settings.strategy == "plain":
            assert done.drafted == 0
            continue
        assert done.settings.tree_size == done.drafted
        assert done.settings.draft_length == done.depth


def test_costs_are_measured_on_first_use_and_leave_the_cache_alone():
    engine = engine_for(build("llama"))
    auto = engine.strategies["auto"]
    assert not auto.policy.costs.known
    list(engine.generate([5, 6, 7], AUTO, SamplingSettings(max_tokens=4)))
    held = list(engine.cache.ids)
    engine.measure_auto()
    assert engine.cache.ids == held
    assert auto.policy.costs.known
    assert auto.policy.costs.draft(2) < float("inf")


def test_without_an_adapter_it_copies_or_decodes_plainly():
    engine = engine_for(build("llama"), draft=None)
    assert engine.info.defaults.strategy == "auto"
    assert "s3d" not in engine.strategies
    rounds = list(engine.generate([7, 9, 11] * 9, AUTO, SamplingSettings(max_tokens=60)))
    assert {done.settings.strategy for done in rounds} <= {"plain", "lookup"}
