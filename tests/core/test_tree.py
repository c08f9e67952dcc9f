"""Candidate trees against brute force and by their invariants."""

import itertools
import math

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from s3d_core.tree import Tree, best_first

shapes = st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 20), st.booleans(), st.integers(0, 10_000))


def make(shape):
    slots, k, size, paired, seed = shape
    dice = torch.Generator().manual_seed(seed)
    logits = torch.randn(slots, k, generator=dice).sort(dim=-1, descending=True).values
    tokens = torch.stack([torch.randperm(50, generator=dice)[:k] for _ in range(slots)])
    pairs = torch.randn(slots - 1, k, k, generator=dice) if paired and slots > 1 else None
    return logits.numpy(), tokens.numpy(), None if pairs is None else pairs.numpy(), size


def paths_by_probability(logits, tokens, pairs):
    """Every path of every length with its log-probability, by plain loops."""
    found = {}
    slots, k = logits.shape
    logits, pairs = torch.from_numpy(logits), None if pairs is None else torch.from_numpy(pairs)
    for depth in range(1, slots + 1):
        for path in itertools.product(range(k), repeat=depth):
            total = logits[0].log_softmax(-1)[path[0]]
            for slot in range(1, depth):
                row = logits[slot] + (pairs[slot - 1, path[slot - 1]] if pairs is not None else 0)
                total = total + row.log_softmax(-1)[path[slot]]
            found[tuple(int(tokens[i, c]) for i, c in enumerate(path))] = float(total)
    return found


def tree_paths(tree):
    tokens, parents = tree.tokens, tree.parents
    paths = {0: ()}
    for node, (token, parent) in enumerate(zip(tokens, parents, strict=True), 1):
        paths[node] = (*paths[parent], token)
    return [paths[node] for node in range(1, len(tokens) + 1)]


@settings(max_examples=80, deadline=None)
@given(shapes)
def test_the_most_probable_paths_are_found(shape):
    logits, tokens, pairs, size = make(shape)
    if size == 1:
        return
    tree = best_first(logits, tokens, pairs, size)
    every = paths_by_probability(logits, tokens, pairs)
    got = tree_paths(tree)
    assert len(set(got)) == len(got) == min(size, len(every))
    worst = min(every[path] for path in got)
    left_out = [p for path, p in every.items() if path not in set(got)]
    assert not left_out or max(left_out) <= worst + 1e-5


@settings(max_examples=80, deadline=None)
@given(shapes, st.floats(1e-4, 1.0))
def test_improbable_paths_are_left_out_but_never_the_first(shape, least):
    logits, tokens, pairs, size = make(shape)
    whole, pruned = best_first(logits, tokens, pairs, size), best_first(logits, tokens, pairs, size, least)
    every = paths_by_probability(logits, tokens, pairs)
    got = tree_paths(whole)
    # A float32 sum of logarithms may fall on either side of the bound.
    sure = [path for path in got if every[path] > math.log(least) + 1e-5] or got[:1]
    open_to_doubt = [path for path in got if every[path] >= math.log(least) - 1e-5] or got[:1]
    assert tree_paths(pruned) == got[: len(pruned)]
    assert len(sure) <= len(pruned) <= len(open_to_doubt)


@settings(max_examples=80, deadline=None)
@given(shapes)
def test_parents_come_before_their_children_and_depths_follow(shape):
    tree = best_first(*make(shape))
    depths = [0, *tree.depths]
    for node, parent in enumerate(tree.parents, 1):
        assert parent < node
        assert depths[node] == depths[parent] + 1
    assert max(depths) == tree.depth


@settings(max_examples=60, deadline=None)
@given(shapes)
def test_a_row_sees_itself_and_its_ancestors_only(shape):
    tree = best_first(*make(shape))
    parents = [0, *tree.parents]
    seen = tree.visible()
    for node in range(len(tree) + 1):
        line, at = {node, 0}, node
        while at:
            at = parents[at]
            line.add(at)
        assert set(seen[node].nonzero().flatten().tolist()) == line


@settings(max_examples=40, deadline=None)
@given(shapes)
def test_a_tree_of_one_is_the_chain_of_best_choices(shape):
    logits, tokens, pairs, _ = make(shape)
    tree = best_first(logits, tokens, pairs, 1)
    assert tree.parents == list(range(logits.shape[0]))
    assert tree.tokens[0] == tokens[0, logits[0].argmax()]


def test_an_empty_tree_is_plain_decoding():
    tree = Tree.chain([])
    assert tree == Tree()
    assert len(tree) == 0
    assert tree.depth == 0
    assert tree.visible().tolist() == [[True]]


@settings(max_examples=80, deadline=None)
@given(shapes, st.lists(st.integers(0, 49), max_size=6))
def test_an_added_path_is_there_once(shape, path):
    tree = best_first(*make(shape))
    before = tree_paths(tree)
    tree.add_path(path)
    after = tree_paths(tree)
    assert after[: len(before)] == before
    assert len(set(after)) == len(after)
    assert set(after) == set(before) | {tuple(path[:n]) for n in range(1, len(path) + 1)}


@settings(max_examples=80, deadline=None)
@given(shapes, st.lists(st.integers(0, 49), max_size=4))
def test_a_path_takes_the_place_of_the_least_probable_nodes(shape, path):
    tree = best_first(*make(shape))
    size = max(len(tree), len(path))
    joined = tree.with_path(path, size)
    assert len(joined) <= size
    after, before = tree_paths(joined), tree_paths(tree)
    own = [p for p in after if p in set(before)]
    assert {tuple(path[:n]) for n in range(1, len(path) + 1)} <= set(after)
    # What stays is the best part, and no more was given up than the path needed.
    given_up = [p for p in before if p not in set(after)]
    assert not given_up or len(after) == size
    assert own[: len(before) - len(given_up)] == [p for p in before if p in set(own)]
