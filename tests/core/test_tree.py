"""Candidate trees against brute force and by their invariants."""

import math
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from s3d_core.tree import Tree, best_first

shapes = st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 20), st.integers(0, 10_000))


def make(shape):
    """A random table of next tokens (up to k, none at some places), with size and depth."""
    depth, k, size, seed = shape
    table = {}

    def after(path):
        if path not in table:
            dice = random.Random(f"{seed} {path}")
            tokens = dice.sample(range(50), dice.randint(0 if path else 1, k))
            weights = [dice.expovariate(1) + 1e-6 for _ in tokens]
            whole = sum(weights) * dice.uniform(1, 2)
            table[path] = sorted(((math.log(w / whole), t) for w, t in zip(weights, tokens, strict=True)), reverse=True)
        return table[path]

    return after, size, depth


def paths_by_probability(after, depth):
    """Every path of every length with its log-probability, by plain recursion."""
    found = {}

    def walk(path, total):
        for score, token in after(path) if len(path) < depth else []:
            found[(*path, token)] = total + score
            walk((*path, token), total + score)

    walk((), 0.0)
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
    after, size, depth = make(shape)
    if size == 1:
        return
    every = paths_by_probability(after, depth)
    got = tree_paths(best_first(after, size, depth))
    assert len(set(got)) == len(got) == min(size, len(every))
    worst = min(every[path] for path in got)
    left_out = [p for path, p in every.items() if path not in set(got)]
    assert not left_out or max(left_out) <= worst + 1e-9


@settings(max_examples=80, deadline=None)
@given(shapes, st.floats(1e-4, 1.0))
def test_improbable_paths_are_left_out_but_never_the_first(shape, least):
    after, size, depth = make(shape)
    every = paths_by_probability(after, depth)
    whole, pruned = best_first(after, size, depth), best_first(after, size, depth, least)
    got = tree_paths(whole)
    assert tree_paths(pruned) == ([path for path in got if every[path] >= math.log(least)] or got[:1])


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
    after, _, depth = make(shape)
    tree = best_first(after, 1, depth)
    assert tree.parents == list(range(len(tree)))
    for at, token in enumerate(tree.tokens):
        assert token == after(tuple(tree.tokens[:at]))[0][1]
    assert len(tree) == depth or not after(tuple(tree.tokens))


def test_an_empty_tree_is_plain_decoding():
    tree = Tree.chain([])
    assert tree == Tree()
    assert len(tree) == 0
    assert tree.depth == 0
    assert tree.visible().tolist() == [[True]]
