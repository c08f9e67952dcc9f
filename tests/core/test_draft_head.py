"""The draft head: rows of the stock head for frequent tokens and for the text at hand."""

from types import SimpleNamespace

import pytest
import torch
from core.models import VOCABULARY, build

from s3d_core.draft_head import DraftHead, frequent_size
from s3d_core.kernels import jit
from s3d_core.pages import Room
from s3d_core.target import Target

needs_kernels = pytest.mark.skipif(not jit.available(), reason="packed products need AVX2 on Linux")
PACKED = pytest.mark.parametrize("packed", [False, pytest.param(True, marks=needs_kernels)], ids=["torch", "packed"])


@pytest.fixture
def target(packed):
    target = Target(build("llama"))
    assert not packed or target.pack()
    return target


def assert_same(logits, tokens, every, packed):
    """The target's own logits; of whole numbers of eight bits, within a fiftieth of the largest."""
    error = 0.02 * every.abs().max().item() if packed else 1e-5
    torch.testing.assert_close(logits, every.gather(1, tokens), atol=error, rtol=1e-5)
    assert (logits.diff(dim=1) <= 0).all()


def best(head, target, text, count=VOCABULARY):
    x = torch.randn(3, target.embedding.shape[1], generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        logits, tokens = head.best(x, target.norm, count, text)
        every = target.logits(x).clone()
    return logits, tokens, every


@PACKED
def test_without_a_vocabulary_every_token_can_be_drafted(target):
    logits, tokens, every = best(DraftHead(target, torch.zeros(0, dtype=torch.int64)), target, [5])
    assert DraftHead(target, torch.zeros(0, dtype=torch.int64)).bytes == 0
    torch.testing.assert_close(logits, every.sort(descending=True).values)
    torch.testing.assert_close(every.gather(1, tokens), logits)


@PACKED
def test_frequent_tokens_and_the_texts_own_can_be_drafted(target, packed):
    frequent = torch.tensor([3, 8, 20, 95])
    head = DraftHead(target, frequent)
    logits, tokens, every = best(head, target, [8, 40, 41, 40])
    assert set(tokens[0].tolist()) == {3, 8, 20, 95, 40, 41}
    assert_same(logits, tokens, every, packed)
    assert head.bytes > 0


@PACKED
def test_a_growing_text_is_read_once_and_a_new_one_from_its_start(target):
    head = DraftHead(target, torch.tensor([3, 8, 20]))
    text = [40]
    best(head, target, text)
    text += [41, 42]
    assert {40, 41, 42} <= set(best(head, target, text)[1][0].tolist())
    assert {50, 51} <= set(best(head, target, [50, 51])[1][0].tolist())


@PACKED
def test_the_oldest_tokens_make_room(target, packed):
    head = DraftHead(target, torch.tensor([3, 8, 20]))
    room = head.room
    text = list(range(21, 21 + room + 5))
    logits, tokens, every = best(head, target, text)
    held = set(tokens[0].tolist())
    assert held == {3, 8, 20} | set(text[-room:])
    assert_same(logits, tokens, every, packed)
    text += [21, 22]
    logits, tokens, every = best(head, target, text)
    assert {21, 22} <= set(tokens[0].tolist())
    assert len(set(tokens[0].tolist())) == tokens.shape[1]
    assert_same(logits, tokens, every, packed)


@needs_kernels
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_packed_rows_are_in_eight_bits_and_lie_where_they_are_told_to(dtype):
    target = Target(build("llama").to(dtype))
    assert target.pack()
    room = Room()
    before = room.take((16,), torch.uint8)
    head = DraftHead(target, torch.tensor([3, 8, 20]), room)
    head.follow([40])
    packed, rows = head._weight, target.head.rows(torch.tensor([3, 8, 20, 40]))
    assert packed.layout.kind == "int8"
    assert 0 < packed.blocks.data_ptr() - before.data_ptr() <= 64
    step = rows.abs().amax(dim=1, keepdim=True) / 127
    assert ((packed.unpacked()[:4] - rows).abs() <= 0.51 * step).all()
    assert packed.blocks.nbytes < 0.6 * 2 * packed.shape[0] * packed.shape[1]  # bfloat16's


def test_of_a_longer_list_the_last_are_left_out():
    model = torch.nn.Embedding(2000, 8)
    target = SimpleNamespace(head=model.weight.detach(), dtype=torch.float32)
    head = DraftHead(target, torch.arange(5, 1500, 3))
    assert head._first == frequent_size(2000)
    assert head._tokens[: head._first].tolist() == list(range(5, 5 + 3 * head._first, 3))
    assert head._weight.shape[0] == head._first + head.room <= 2000 / 10


def test_a_tenth_of_the_vocabulary_is_kept():
    assert frequent_size(49152) == 4080
    assert frequent_size(100) == 0
