"""Copying what was said before in place of S3D's draft pass."""

from dataclasses import replace

import torch
from core.models import VOCABULARY, build, random_adapter

from s3d_core.decode import prefill
from s3d_core.draft import S3D, State
from s3d_core.settings import DraftSettings
from s3d_core.target import Target
from s3d_core.tree import Tree

REPEATED = [9, 4, 7, 3, 8, 5, 6, 2]
TEXT = [*REPEATED, *REPEATED, *REPEATED[:2]]
SETTINGS = DraftSettings("s3d", skipped=2, draft_length=4, tree_size=10)


@torch.inference_mode()
def proposed(strategy, target, most=9, settings=SETTINGS) -> Tree:
    cache = target.new_cache()
    prefill(target, cache, TEXT)
    return strategy.propose(State(TEXT, cache, settings, most))


def test_copies_that_go_well_are_all_that_is_verified_until_they_do_not():
    target = Target(build("llama"))
    strategy, copy, wrong = S3D(target, random_adapter(target)), REPEATED[2:6], VOCABULARY - 1
    alone = []
    for emitted in [[*copy, wrong]] * 4 + [[wrong]] * 8:
        tree = proposed(strategy, target)
        alone.append(tree == Tree.chain(copy))
        assert len(tree) <= SETTINGS.tree_size
        strategy.learn(emitted, torch.zeros(len(tree) + 1, VOCABULARY))
    # First nothing is known of them; then they are trusted, and doubted.
    assert [kind for i, kind in enumerate(alone) if i == 0 or kind != alone[i - 1]] == [False, True, False]


def test_a_copy_is_no_longer_than_what_can_be_used():
    target = Target(build("llama"))
    strategy = S3D(target, random_adapter(target))
    proposed(strategy, target)
    strategy._copied = 4.0
    assert proposed(strategy, target, most=2) == Tree.chain(REPEATED[2:4])
    for size, length in ((1, 4), (2, 2), (3, 3), (9, 4)):
        tree = proposed(strategy, target, settings=replace(SETTINGS, tree_size=size))
        assert tree == Tree.chain(REPEATED[2 : 2 + length])
