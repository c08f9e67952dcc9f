"""What is trained is what is decoded with, and its gradients are the true ones."""

import math

import pytest
import torch
import torch.nn.functional as F
from core.models import CONFIGS, VOCABULARY, build, random_adapter

from s3d_core.coherence import Coherence
from s3d_core.decode import prefill
from s3d_core.draft import State
from s3d_core.recall import Recall
from s3d_core.s3d import S3D
from s3d_core.settings import DraftSettings
from s3d_core.target import Target
from s3d_core.train.objective import (
    COHERENCE_WEIGHT,
    SLOT_WEIGHTS,
    Support,
    _VocabularyLoss,
    draft_rows,
    loss,
    teach,
)

SLOTS = 4


def some_ids(count, seed=0):
    return torch.randint(3, VOCABULARY, (count,), generator=torch.Generator().manual_seed(seed))


def whole_vocabulary(target):
    return Support.of(target, torch.arange(VOCABULARY), torch.tensor([], dtype=torch.int64))


def proposal(target, adapter, ids, skipped, monkeypatch):
    """What the decoder drafts behind `ids`: its final rows, its logits and its tree."""
    seen = []
    logits = target.logits

    def watched(x, norm=None):
        seen.append((target.normed(x, norm), logits(x, norm)))
        return seen[-1][1]

    cache = target.new_cache()
    with torch.inference_mode(), monkeypatch.context() as patch:
        prefill(target, cache, ids)
        patch.setattr(target, "logits", watched)
        tree = S3D(target, adapter, Recall()).propose(State(ids, cache, DraftSettings("s3d", skipped, SLOTS, 1), SLOTS))
    (found,) = seen
    return *found, tree


@pytest.mark.parametrize("skipped", [0, 2, 4])
@pytest.mark.parametrize("name", CONFIGS)
def test_training_sees_the_rows_that_decoding_drafts_with(name, skipped, monkeypatch):
    """Many blocks at once, each in its own bubble, give what a draft pass behind a real cache gives."""
    target = Target(build(name))
    adapter = random_adapter(target, SLOTS)
    # A draft norm of its own, as training leaves it.
    adapter.norm = adapter.norm * torch.linspace(0.5, 1.5, len(adapter.norm))
    # Below the long-rope switch at 64; sliding windows of 24 are long passed.
    ids = some_ids(58)
    anchors = torch.tensor([0, 1, 2, 11, 30, 31, 33, 54])
    with torch.no_grad():
        trained = draft_rows(target, adapter, teach(target, ids), anchors, target.kept_layers(skipped), SLOTS)
    for row, anchor in zip(trained, anchors.tolist(), strict=True):
        drafted, logits, tree = proposal(target, adapter, ids[: anchor + 1].tolist(), skipped, monkeypatch)
        torch.testing.assert_close(row, drafted, atol=2e-5, rtol=1e-4)
        torch.testing.assert_close(F.linear(row, target.head), logits, atol=1e-4, rtol=1e-4)
        assert int(F.linear(row[0], target.head).argmax()) == int(tree.tokens[0])


def test_long_texts_use_the_long_frequencies_in_training_too(monkeypatch):
    target = Target(build("phi3 long rope"))
    adapter = random_adapter(target, SLOTS)
    ids = some_ids(90)
    anchors = torch.tensor([66, 80])
    with torch.no_grad():
        trained = draft_rows(target, adapter, teach(target, ids), anchors, target.kept_layers(2), SLOTS)
    for row, anchor in zip(trained, anchors.tolist(), strict=True):
        drafted, _, _ = proposal(target, adapter, ids[: anchor + 1].tolist(), 2, monkeypatch)
        torch.testing.assert_close(row, drafted, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("slots", [1, 2, 3])
def test_fewer_slots_are_the_first_rows_of_more(slots):
    target = Target(build("llama"))
    adapter = random_adapter(target, SLOTS)
    teacher, anchors = teach(target, some_ids(30)), torch.tensor([3, 17])
    with torch.no_grad():
        every = draft_rows(target, adapter, teacher, anchors, (0, 1, 5), SLOTS)
        few = draft_rows(target, adapter, teacher, anchors, (0, 1, 5), slots)
    torch.testing.assert_close(few, every[:, :slots], atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("name", CONFIGS)
def test_the_teacher_is_the_stock_model(name):
    model = build(name)
    ids = some_ids(50)
    with torch.no_grad():
        expected = model(ids[None]).logits[0]
    target = Target(model)
    torch.testing.assert_close(F.linear(teach(target, ids).hidden, target.head), expected, atol=1e-4, rtol=1e-4)


def test_the_coherence_term_is_the_decoders(monkeypatch):
    """A pair's term in the loss is the one by which the decoder joins its slots."""
    monkeypatch.setattr("s3d_core.coherence._ROOM", 64)  # too little, so that the table is begun anew
    target = Target(build("llama"))
    adapter = random_adapter(target, SLOTS)
    coherence, children = Coherence(target, adapter), whole_vocabulary(target).embedding @ adapter.child
    for seed in range(40):
        tokens = some_ids(SLOTS * 5, seed=seed).view(SLOTS, 5)
        before = torch.randn(SLOTS, target.embedding.shape[1], generator=torch.Generator().manual_seed(seed))
        pairs, rows = coherence.pairs(before, tokens.numpy()), target.normed(before, adapter.norm)
        for slot in range(1, SLOTS):
            context = (target.embed(tokens[slot - 1]) @ adapter.parent) * (1 + rows[slot] @ adapter.gate)
            term = (context @ children.T)[:, tokens[slot]]
            # The decoder keeps the two vectors in half precision.
            torch.testing.assert_close(torch.from_numpy(pairs[slot - 1]), term, atol=1e-3, rtol=1e-3)


def test_a_coherence_term_beyond_half_precision_is_cut_and_stays_a_number():
    target = Target(build("llama"))
    adapter = random_adapter(target, SLOTS)
    adapter.parent = adapter.parent * 1e9
    tokens = some_ids(SLOTS * 5).view(SLOTS, 5)
    pairs = Coherence(target, adapter).pairs(torch.zeros(SLOTS, target.embedding.shape[1]), tokens.numpy())
    assert pairs is not None
    assert torch.from_numpy(pairs).isfinite().all()


@pytest.mark.parametrize("count", [1, 128, 300])
def test_the_vocabulary_loss_its_gradient_and_its_candidates_are_autograds(count):
    dice = torch.Generator().manual_seed(count)

    def normal(*shape):
        return torch.randn(*shape, generator=dice, dtype=torch.float64)

    head, bias, targets, weights = normal(50, 12), normal(50), normal(count, 12), normal(count).abs()
    weights[::3] = 0
    rows = normal(count, 12)
    by_hand, ours = rows.clone().requires_grad_(), rows.clone().requires_grad_()
    bare, wanted = by_hand @ head.T + bias, targets @ head.T + bias
    expected = -(weights * (wanted.softmax(-1) * bare.log_softmax(-1)).sum(-1)).sum()
    value, places, logits, of_target = _VocabularyLoss.apply(ours, head, bias, targets, weights)
    torch.testing.assert_close(value, expected, atol=1e-10, rtol=1e-8)
    # A factor behind the loss must reach the gradient.
    (expected * 3).backward()
    (value * 3).backward()
    torch.testing.assert_close(ours.grad, by_hand.grad, atol=1e-10, rtol=1e-8)
    # The bias stands for tokens not looked at; a candidate's own logits are without it.
    assert torch.equal(places, bare.topk(16).indices)
    torch.testing.assert_close(logits, (rows @ head.T).gather(1, places))
    torch.testing.assert_close(of_target, (targets @ head.T).gather(1, places))


def test_the_loss_of_an_adapter_and_its_gradients_are_as_defined():
    """Slot by slot by hand: which target, which true parent, which weight, and what the end leaves out."""
    target = Target(build("llama"))
    teacher = teach(target, some_ids(24))
    anchors, kept = torch.tensor([4, 9, 20, 21, 22]), (0, 1, 5)
    names = ["masks", "norm", *(f"coherence.{name}" for name in ("parent", "gate", "child"))]
    names += ["layers.1.qkv.a", "layers.5.down.b"]
    results = []
    for by_hand in (True, False):
        adapter = random_adapter(target, SLOTS)
        parameters = adapter.tensors()
        for p in parameters.values():
            p.requires_grad_()
        if by_hand:
            rows = draft_rows(target, adapter, teacher, anchors, kept, SLOTS)
            value = torch.zeros(())
            for block, anchor in enumerate(anchors.tolist()):
                for slot in range(SLOTS):
                    at = anchor + slot
                    if at >= 23:  # no token follows the last one
                        continue
                    wanted = (target.head @ teacher.hidden[at]).softmax(-1)
                    bare = target.head @ rows[block, slot]
                    part = -(wanted * bare.log_softmax(-1)).sum()
                    if slot > 0:
                        parent = target.embedding[teacher.ids[at]] @ adapter.parent
                        bare = bare.detach()  # the rows are not bent for the term's sake
                        gate = 1 + rows[block, slot].detach() @ adapter.gate
                        joint = bare + (target.embedding @ adapter.child) @ (parent * gate)
                        best = bare.topk(16).indices
                        wanted = (target.head @ teacher.hidden[at])[best].softmax(-1)
                        part = part - COHERENCE_WEIGHT * (wanted * joint[best].log_softmax(-1)).sum()
                    value = value + SLOT_WEIGHTS[slot] * part / len(anchors)
        else:
            value = loss(target, adapter, teacher, anchors, kept, SLOTS, whole_vocabulary(target))
        value.backward()
        results.append([value.detach(), *(parameters[name].grad for name in names)])
        assert parameters["layers.3.o.a"].grad is None  # a layer that is skipped
    for name, expected, got in zip(("loss", *names), *results, strict=True):
        torch.testing.assert_close(got, expected, atol=1e-4, rtol=1e-3, msg=lambda said, name=name: f"{name}: {said}")


def test_the_frozen_model_gets_no_gradient():
    target = Target(build("llama"))
    adapter = random_adapter(target, SLOTS)
    adapter.masks.requires_grad_()
    value = loss(target, adapter, teach(target, some_ids(20)), torch.tensor([3]), (0, 5), 4, whole_vocabulary(target))
    value.backward()
    assert not target.head.requires_grad
    assert not target.layers[0].qkv.requires_grad
    assert adapter.masks.grad is not None


def test_the_whole_vocabulary_needs_no_bias():
    target = Target(build("llama"))
    seen = torch.arange(0, VOCABULARY, 2)
    support = Support.of(target, seen, torch.arange(1, VOCABULARY, 2))
    assert support.bias.tolist() == [0.0] * VOCABULARY
    adapter, teacher = random_adapter(target, SLOTS), teach(target, some_ids(30))
    values = [
        loss(target, adapter, teacher, torch.tensor([2, 12]), (0, 5), SLOTS, s)
        for s in (support, whole_vocabulary(target))
    ]
    torch.testing.assert_close(*values)


@pytest.mark.parametrize("size", [1, 4])
def test_a_sampled_token_stands_for_many(size):
    """Over all samples, the sum that the softmax divides by is on average the whole vocabulary's."""
    target = Target(build("llama"))
    seen, unseen = torch.arange(32), torch.arange(32, VOCABULARY)
    row = torch.randn(48, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    sums = []
    for sample in unseen.split(size):
        support = Support.of(target, seen, sample)
        assert support.bias[:32].tolist() == [0.0] * 32
        torch.testing.assert_close(support.bias[32:], torch.full((size,), math.log(64 / size)))
        assert torch.equal(support.head, target.head[torch.cat([seen, sample])])
        assert torch.equal(support.embedding, target.embedding[torch.cat([seen, sample])])
        sums.append((support.head.double() @ row + support.bias).exp().sum())
    whole = (target.head.double() @ row).exp().sum()
    torch.testing.assert_close(torch.stack(sums).mean(), whole, atol=0, rtol=1e-6)
