"""Trees grown on a device are those that the host finds for the same numbers."""

import math
import random

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from s3d_core.candidates import EVIDENCE, Candidates
from s3d_core.device_noise import gumbel, keys
from s3d_core.grown import Grown, grow, unpacked
from s3d_core.noise import Noise, uniform
from s3d_core.outcome import outcome
from s3d_core.recall import LONGEST, Recall
from s3d_core.recall_table import RecallTable
from s3d_core.sampling import Sampler
from s3d_core.settings import SamplingSettings
from s3d_core.tree import Tree, best_first

CPU = torch.device("cpu")
# Nearer than this, sums in another order may change which of two nodes is the better one.
NEAR = 1e-4


@st.composite
def drafts(draw):
    """All that a tree is made of: slots, coherence, a text with repetitions, weights, noise."""
    seed = draw(st.integers(0, 2**32 - 1))
    slots, k, vocabulary = draw(st.integers(1, 4)), draw(st.integers(1, 6)), draw(st.integers(8, 40))
    dice = np.random.default_rng(seed)
    logits = np.sort(dice.normal(0, 3, (slots, k)).astype(np.float32))[:, ::-1].copy()
    tokens = np.stack([dice.permutation(vocabulary)[:k] for _ in range(slots)])
    pairs = None if slots == 1 else dice.normal(0, 1, (slots - 1, k, k)).astype(np.float32)
    weights = np.abs(dice.normal(1, 1, (slots + 1, EVIDENCE))).astype(np.float32)
    text = dice.integers(0, vocabulary, draw(st.integers(1, 60))).tolist()
    noise = draw(st.sampled_from([None, Noise(seed, len(text), 0.7)]))
    shape = draw(st.integers(1, 24)), draw(st.integers(1, 8)), draw(st.sampled_from([0.0, 0.02, 0.2]))
    return logits, tokens, pairs, weights, text, noise, shape


def learnt(text, tokens):
    """A recall that knows a text and some verdicts, and its copy on the device."""
    recall = Recall()
    table = RecallTable(recall, CPU)
    recall.follow(text)
    table.update()
    recall.learn(tuple(text[-LONGEST:]), Tree.chain([int(tokens[0, 0])]), [int(t) for t in tokens[0, -1:]] * 2)
    table.update()
    assume(int((table._grams >= 0).sum()) == len(recall._said) + len(recall._meant))  # none has another one's place
    return recall, table


@settings(max_examples=150, deadline=None)
@given(drafts())
def test_a_grown_tree_is_the_hosts(draft):
    logits, tokens, pairs, weights, text, noise, (size, length, least) = draft
    recall, table = learnt(text, tokens)
    found = Candidates(logits, tokens, pairs, recall, tuple(text[-LONGEST:]), weights, noise)
    # One node more shows whether the last one is a near thing.
    wider = best_first(found.after, size + 1, length, 0.0)
    if size > 1:
        gaps = np.diff([*wider.scores, math.log(least)] if least else wider.scores)
        assume(not len(gaps) or np.abs(gaps).min() > NEAR)
        assume(not least or min(abs(s - math.log(least)) for s in wider.scores) > NEAR)
    expected = best_first(found.after, size, length, least)
    context = torch.tensor(([-1] * LONGEST + text)[-LONGEST:])
    told = None, None
    if noise:
        told = keys(noise.seed, noise.start, length), torch.tensor(noise.temperature, dtype=torch.float64)
    with torch.inference_mode():
        grown = grow(
            torch.from_numpy(logits),
            torch.from_numpy(tokens),
            None if pairs is None else torch.from_numpy(pairs),
            table,
            context,
            torch.from_numpy(weights),
            size,
            length,
            torch.tensor(math.log(least) if least else -math.inf, dtype=torch.float64),
            *told,
        )
        got = unpacked(grown.packed().numpy())
    assert got == expected
    assert np.allclose(got.scores, expected.scores, atol=NEAR)
    nodes = len(got) + 1
    assert torch.equal(grown.visible[:nodes, :nodes], expected.visible())
    assert grown.visible.diagonal().all()
    assert grown.depths[: len(got)].tolist() == expected.depths
    assert int(grown.depths.max()) <= length


@given(st.integers(0, 2**63 - 1), st.integers(0, 10**6), st.lists(st.integers(0, 200_000), min_size=1, max_size=9))
def test_the_noise_on_a_device_is_that_of_the_host(seed, start, tokens):
    there = gumbel(keys(seed, start, 3)[:, None], torch.tensor(tokens))
    for i, row in enumerate(there):
        here = -np.log(-np.log(uniform(seed, start + i, np.array(tokens))))
        assert np.allclose(row.numpy(), here, rtol=1e-12, atol=1e-12)


def test_the_table_recalls_what_the_dictionaries_recall():
    dice = random.Random(3)
    recall = Recall()
    table = RecallTable(recall, CPU)
    for _ in range(2):  # the second text makes all of the first one forgotten
        text = [dice.randrange(9) for _ in range(200)]
        recall.follow(text)
        recall.learn(tuple(text[-3:]), Tree.chain([1, 2]), [4, 5, 6])
        table.update()
        contexts = [[-1] * (3 - n) + [dice.randrange(9) for _ in range(n)] for n in (1, 2, 3) for _ in range(60)]
        known, tokens, at = table.after(torch.tensor(contexts))
        for i, context in enumerate(contexts):
            expected = recall.after(tuple(t for t in context if t >= 0))
            got = [
                (offset * LONGEST + int(at[offset, i]), int(tokens[offset, i])) for offset in (0, 1) if known[offset, i]
            ]
            assert got == expected
    assert table.bytes == 2 * 6 * 8 << 16


@pytest.mark.parametrize(
    "sampling",
    [
        SamplingSettings(),
        SamplingSettings(repetition_penalty=1.4),
        SamplingSettings(temperature=0.8, seed=4),
        SamplingSettings(temperature=0.9, top_k=7, top_p=0.8, min_p=0.05, repetition_penalty=1.3, seed=9),
    ],
    ids=["greedy", "penalty", "sampled", "warped"],
)
def test_all_rows_drawn_at_once_are_those_drawn_one_by_one(sampling):
    random_tensor = torch.Generator().manual_seed(1)
    ids, tree = [3, 8, 8, 40], Tree()
    for token, parent in ((5, 0), (7, 1), (9, 1), (8, 2), (30, 0)):
        tree.add(token, parent)
    logits = torch.randn(6, 60, generator=random_tensor) * 2
    sampler = Sampler(sampling)
    found = outcome(tree, logits, ids, sampler)
    paths = [[], [5], [5, 7], [5, 9], [5, 7, 8], [30]]
    one_by_one = [
        sampler.draw(sampler.scores(row, ids + path), len(ids) + len(path))
        for row, path in zip(logits, paths, strict=True)
    ]
    assert found.drawn == one_by_one
    assert found.verdicts == logits.argmax(-1).tolist()
    assert found.tree is tree


def test_what_is_no_node_never_reaches_the_host():
    tokens = torch.tensor([4, 6, 0])
    scores = torch.tensor([-0.1, -0.5, -math.inf], dtype=torch.float64)
    grown = Grown(tokens, torch.tensor([0, 1, 0]), torch.tensor([1, 2, 1]), scores, torch.eye(4, dtype=torch.bool), 2)
    logits = torch.eye(4, 9)
    found = outcome(grown, logits, [1], Sampler(SamplingSettings()))
    assert (found.tree, found.tree.scores) == (Tree([4, 6], [0, 1], [1, 2]), [-0.1, -0.5])
    assert found.drawn == found.verdicts == [0, 1, 2]
