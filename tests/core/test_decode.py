"""The loop's book-keeping: caches, counts, and every way a reply can end."""

import random

import pytest
import torch
from core.models import VOCABULARY, build, engine_for
from scipy.stats import chisquare

from s3d_core.decode import prefill, verify
from s3d_core.errors import PromptError, SettingError
from s3d_core.settings import DraftSettings, SamplingSettings
from s3d_core.stats import Totals
from s3d_core.tree import Tree

S3D = DraftSettings("s3d", skipped=2, draft_length=4, tree_size=12)
PROMPT = [7, 9, 11, 13, 5]


@pytest.fixture(scope="module")
def engine():
    return engine_for(build("llama"))


@pytest.mark.parametrize("name", ["llama", "mistral window 24", "phi3 long rope"])
@pytest.mark.parametrize("strategy", ["skip", "s3d", "lookup", "auto"])
def test_after_every_round_the_cache_equals_a_fresh_prefill(name, strategy):
    """Rolled back too far or one short, a cache still gives the right text at a low acceptance
    (a bug of several other projects), so the K/V themselves are compared."""
    engine = engine_for(build(name))
    draft = DraftSettings(strategy, skipped=2, draft_length=4, tree_size=12)
    ids = list(PROMPT) + [20, 21] * 20
    for done in engine.generate(ids, draft, SamplingSettings(max_tokens=40)):
        ids += done.ids
        cache = engine.cache
        # The newest token is always left for the next verify pass.
        assert cache.ids == ids[:-1]
        fresh = engine.target.new_cache()
        if done.stop_reason is None and engine.target.is_long(len(cache)) == cache.long_rope:
            prefill(engine.target, fresh, ids)
            for layer in range(engine.target.depth):
                n = len(cache)
                torch.testing.assert_close(cache.keys[layer][:, :n], fresh.keys[layer][:, :n], atol=2e-5, rtol=1e-4)
                torch.testing.assert_close(cache.values[layer][:, :n], fresh.values[layer][:, :n], atol=2e-5, rtol=1e-4)


def test_sampled_frequencies_match_the_target_distribution(engine):
    """Over many seeds, the token drawn through drafts and trees follows the model's own probabilities."""
    with torch.inference_mode():
        engine.cache.rewind(0)
        prefill(engine.target, engine.cache, PROMPT)
        logits = verify(engine.target, engine.cache, PROMPT[-1], Tree())[0]
    draws, drawn = 3000, []
    for seed in range(draws):
        sampling = SamplingSettings(temperature=1.5, seed=seed, max_tokens=2)
        drawn.append(next(engine.generate(PROMPT, S3D, sampling)).ids[0])
    expected = (logits / 1.5).softmax(-1)
    counts = torch.bincount(torch.tensor(drawn), minlength=VOCABULARY).double()
    # Rare tokens are pooled: the test wants at least five expected counts a bin.
    common = expected * draws >= 5
    observed = [*counts[common].tolist(), counts[~common].sum().item()]
    wanted = [*(expected[common].double() * draws).tolist(), (expected[~common].double().sum() * draws).item()]
    scale = sum(observed) / sum(wanted)
    assert chisquare(observed, [w * scale for w in wanted]).pvalue > 1e-3


def test_accepted_drafts_follow_the_target_too(engine):
    """The second token, which a draft may bring, has the right distribution given the first."""
    with torch.inference_mode():
        engine.cache.rewind(0)
        prefill(engine.target, engine.cache, PROMPT)
        one = verify(engine.target, engine.cache, PROMPT[-1], Tree())[0]
        first = int(one.argmax())
        prefill(engine.target, engine.cache, [*PROMPT, first])
        two = verify(engine.target, engine.cache, first, Tree())[0].double().softmax(-1)
    # An untrained adapter needs a wide tree to guess anything.
    wide = DraftSettings("s3d", skipped=2, draft_length=4, tree_size=64)
    seen, drafted = [], 0
    for seed in range(1500):
        sampling = SamplingSettings(temperature=1.0, seed=seed, max_tokens=3)
        rounds = list(engine.generate(PROMPT, wide, sampling))
        tokens = [t for done in rounds for t in done.ids]
        if tokens[0] == first and len(tokens) > 1:
            seen.append(tokens[1])
            drafted += rounds[0].accepted > 0
    assert len(seen) > 100
    assert drafted > 10
    counts = torch.bincount(torch.tensor(seen), minlength=VOCABULARY).double()
    common = two * len(seen) >= 5
    observed = [*counts[common].tolist(), counts[~common].sum().item()]
    wanted = [*(two[common] * len(seen)).tolist(), (two[~common].sum() * len(seen)).item()]
    scale = sum(observed) / sum(wanted)
    assert chisquare(observed, [w * scale for w in wanted]).pvalue > 1e-3


def test_a_stop_token_inside_an_accepted_draft_ends_the_reply_there(engine):
    free = [t for d in engine.generate(PROMPT, S3D, SamplingSettings(max_tokens=30)) for t in d.ids]
    for stop in dict.fromkeys(free):
        engine.stop_ids = frozenset({stop})
        rounds = list(engine.generate(PROMPT, S3D, SamplingSettings(max_tokens=30)))
        got = [t for d in rounds for t in d.ids]
        assert got == free[: free.index(stop) + 1]
        assert rounds[-1].stop_reason == "stop"
        assert f"w{stop} " not in "".join(d.text for d in rounds)
    engine.stop_ids = frozenset({2})


@pytest.mark.parametrize("most", [1, 2, 3, 5, 17])
def test_max_tokens_inside_a_draft_is_exact(engine, most):
    rounds = list(engine.generate(PROMPT, S3D, SamplingSettings(max_tokens=most)))
    assert sum(len(d.ids) for d in rounds) == most
    assert rounds[-1].stop_reason == "length"


def test_the_context_limit_ends_the_reply(engine):
    prompt = [3 + i % 80 for i in range(engine.target.context_limit - 6)]
    rounds = list(engine.generate(prompt, S3D, SamplingSettings(max_tokens=100)))
    assert rounds[-1].stop_reason == "context"
    assert rounds[-1].context == engine.target.context_limit


def test_a_smaller_context_can_be_asked_for(engine):
    rounds = list(engine.generate(PROMPT, S3D, SamplingSettings(max_tokens=100), context=12))
    assert rounds[-1].stop_reason == "context"
    assert rounds[-1].context == 12
    with pytest.raises(PromptError, match="5 tokens long, but the context as it is set holds 5"):
        engine.generate(PROMPT, S3D, SamplingSettings(), context=5)


def test_cancelling_stops_within_one_round_and_the_next_answer_is_right(engine):
    expected = [t for d in engine.generate(PROMPT, S3D, SamplingSettings(max_tokens=20)) for t in d.ids]
    asked = iter(range(100))
    rounds = list(engine.generate(PROMPT, S3D, SamplingSettings(max_tokens=20), cancel=lambda: next(asked) >= 3))
    assert rounds[-1].stop_reason == "cancelled"
    assert len(rounds) <= 4
    # The word that it was stopped is no round, so it does not lower the tokens per round.
    assert Totals().add_all(rounds).rounds == len(rounds) - 1
    assert [t for d in engine.generate(PROMPT, S3D, SamplingSettings(max_tokens=20)) for t in d.ids] == expected


def test_cancelling_while_the_prompt_is_read(engine):
    engine.cache.rewind(0)
    prompt = [3 + i % 70 for i in range(500)]
    rounds = list(engine.generate(prompt, S3D, SamplingSettings(), cancel=lambda: len(engine.cache) >= 256))
    assert [d.stop_reason for d in rounds] == ["cancelled"]
    assert len(engine.cache) == 256


def test_the_previous_turns_prefix_is_read_from_the_cache(engine):
    engine.cache.rewind(0)
    first = [t for d in engine.generate(PROMPT, S3D, SamplingSettings(max_tokens=12)) for t in d.ids]
    read = []
    longer = [*PROMPT, *first, 30, 31, 32]
    list(engine.generate(longer, S3D, SamplingSettings(max_tokens=1), on_prefill=lambda done, of: read.append(of)))
    # All but the newest reply token were cached, and the last prompt token is the round's own.
    assert read == [3]


def test_counts_keep_rejected_drafts_in_the_denominator(engine):
    """Leaving them out inflates acceptance (a bug of llama.cpp, #14104)."""
    rounds = list(engine.generate(PROMPT, S3D, SamplingSettings(max_tokens=40)))
    totals = Totals().add_all(rounds)
    assert totals.tokens == 40
    # Whatever was accepted, each round counts all it drafted (the last ones have less room).
    assert {done.drafted for done in rounds[:-4]} == {12}
    assert totals.drafted == sum(done.drafted for done in rounds)
    assert all(
        tried >= accepted for tried, accepted in zip(totals.tried_per_slot, totals.accepted_per_slot, strict=True)
    )
    assert totals.accepted == sum(totals.accepted_per_slot)
    assert totals.acceptance_per_slot == sorted(totals.acceptance_per_slot, reverse=True)


def test_relaxed_acceptance_counts_what_plain_decoding_would_not_have_chosen(engine):
    sampling = SamplingSettings(temperature=0.0, max_tokens=40)
    exact = Totals().add_all(engine.generate(PROMPT, S3D, sampling))
    loose_settings = DraftSettings("s3d", skipped=2, draft_length=4, tree_size=12, exactness=0.0)
    loose = Totals().add_all(engine.generate(PROMPT, loose_settings, sampling))
    assert exact.relaxed == 0
    assert loose.relaxed > 0
    assert loose.tokens_per_round > exact.tokens_per_round


def test_bad_prompts_and_settings_are_refused_with_a_sentence(engine):
    with pytest.raises(PromptError, match="empty"):
        engine.generate([], S3D, SamplingSettings())
    with pytest.raises(PromptError, match="context holds 512"):
        engine.generate([5] * 600, S3D, SamplingSettings())
    with pytest.raises(SettingError, match="from 0 to 4"):
        engine.generate(PROMPT, DraftSettings("s3d", skipped=9), SamplingSettings())
    with pytest.raises(PromptError, match="empty"):
        engine.chat_ids([{"role": "user", "content": "  "}])
    for bad in ({"strategy": "magic"}, {"draft_length": 0}, {"tree_size": 1000}, {"exactness": 2.0}, {"skipped": -1}):
        with pytest.raises(SettingError):
            DraftSettings(**bad)
    for bad in ({"temperature": -1}, {"top_p": 0}, {"max_tokens": 0}, {"seed": -3}, {"stop": ("",)}):
        with pytest.raises(SettingError):
            SamplingSettings(**bad)


def test_settings_are_read_at_the_start_of_every_round(engine):
    seen = []
    dice = random.Random(4)

    def moving():
        seen.append(DraftSettings("s3d", skipped=dice.randint(0, 4), draft_length=dice.randint(1, 4)))
        return seen[-1]

    rounds = list(engine.generate(PROMPT, moving, SamplingSettings(max_tokens=30)))
    assert [d.settings for d in rounds if d.drafted] == seen[-len(rounds) :][: sum(d.drafted > 0 for d in rounds)]
    assert all(d.settings.strategy == "plain" for d in rounds if not d.drafted)


@pytest.mark.parametrize("length", [1, 3, 8])
def test_a_draft_is_never_longer_than_asked_for(engine, length):
    draft = DraftSettings("s3d", skipped=2, draft_length=length, tree_size=1)
    depths = [d.depth for d in engine.generate(PROMPT, draft, SamplingSettings(max_tokens=20))]
    # Behind the adapter's four slots it goes on only where something is recalled.
    assert min(length, 4) <= max(depths) <= length


def test_probes_measure_plain_decoding_and_leave_the_text_alone(engine):
    sampling = SamplingSettings(temperature=0.8, seed=9, max_tokens=60)
    expected = [t for d in engine.generate(PROMPT, S3D, sampling) for t in d.ids]
    engine._plain.clear()
    rounds = list(engine.generate(PROMPT, S3D, sampling, probe_every=5))
    assert [t for d in rounds for t in d.ids] == expected
    probes = [i for i, d in enumerate(rounds) if d.drafted == 0]
    assert probes[:3] == [3, 8, 13]
    assert engine.plain_ms is not None
