"""Text that comes token by token is the text of the whole."""

import random

import pytest
import torch
from core.models import word_tokenizer
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders
from tokenizers.models import WordLevel
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from s3d_core.gguf import unpacked
from s3d_core.text import TextStream


@pytest.fixture(scope="module")
def tokenizer(default_model):
    folder = unpacked(default_model, torch.float32, lambda phase, share: None)
    return AutoTokenizer.from_pretrained(folder, local_files_only=True)


def streamed(stream, ids, sizes=(1,), drafted=None):
    """All pieces of a reply whose rounds bring as many tokens as `sizes` says, in turn."""
    drafted = drafted or [False] * len(ids)
    pieces, at, turn = [], 0, 0
    while at < len(ids):
        size = sizes[turn % len(sizes)]
        new, stopped = stream.push(ids[at : at + size], drafted[at : at + size])
        pieces += new
        if stopped is not None:
            return pieces, at + stopped
        at, turn = at + size, turn + 1
    return pieces + list(stream.flush()), None


def joined(pieces):
    return "".join(text for text, _ in pieces)


def whole(tokenizer, ids):
    return tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(data=st.data())
def test_random_tokens_give_the_text_of_the_whole(tokenizer, data):
    """Most such sequences are no valid text: broken letters and special tokens included."""
    ids = data.draw(st.lists(st.integers(0, len(tokenizer) - 1), max_size=30))
    sizes = data.draw(st.lists(st.integers(1, 6), min_size=1, max_size=4))
    pieces, _ = streamed(TextStream(tokenizer), ids, sizes)
    assert joined(pieces) == whole(tokenizer, ids)
    assert all(text for text, _ in pieces)


# Single bytes of multi-byte letters come often here, unlike among random tokens.
LETTERS = st.text(st.sampled_from("aé ß\n  →漢字🎉👩‍👩‍👧ñ.\u0301\u00a0x"), max_size=40)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(text=LETTERS, size=st.integers(1, 5))
def test_letters_of_many_bytes_come_whole(tokenizer, text, size):
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    pieces, _ = streamed(TextStream(tokenizer), ids, (size,))
    assert joined(pieces) == text
    assert "\ufffd" not in joined(pieces)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(text=LETTERS, data=st.data())
def test_a_reply_cut_inside_a_letter_ends_as_the_whole_does(tokenizer, text, data):
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    ids = ids[: data.draw(st.integers(0, len(ids)))]
    pieces, _ = streamed(TextStream(tokenizer), ids)
    assert joined(pieces) == whole(tokenizer, ids)


def test_a_broken_letter_is_held_until_the_flush(tokenizer):
    ids = tokenizer("🎉", add_special_tokens=False)["input_ids"]
    assert len(ids) > 1
    stream = TextStream(tokenizer)
    for token in ids[:-1]:
        assert stream.push([token], [True]) == ((), None)
    assert joined(stream.flush()) == whole(tokenizer, ids[:-1])
    assert stream.flush() == ()


def test_a_letter_is_marked_by_the_token_that_completed_it(tokenizer):
    ids = tokenizer("🎉", add_special_tokens=False)["input_ids"]
    stream = TextStream(tokenizer)
    pieces, _ = stream.push(ids, [False] * (len(ids) - 1) + [True])
    assert pieces == (("🎉", True),)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(text=st.text(st.sampled_from("abcSTOP é🎉"), max_size=40), data=st.data())
def test_a_stop_text_cuts_at_its_first_occurrence(tokenizer, text, data):
    stops = data.draw(st.lists(st.sampled_from(["STOP", "TO", "ab", "é", "cc", "🎉", "  "]), min_size=1, max_size=3))
    size = data.draw(st.integers(1, 5))
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    pieces, stopped = streamed(TextStream(tokenizer, stops), ids, (size,))
    # Token by token, the reply ends with the first token that completes any stop text.
    ends = [n for n in range(1, len(ids) + 1) if any(stop in whole(tokenizer, ids[:n]) for stop in stops)]
    if not ends:
        assert stopped is None
        assert joined(pieces) == text
        return
    assert stopped == ends[0] - 1
    shown = whole(tokenizer, ids[: ends[0]])
    assert joined(pieces) == shown[: min(shown.find(stop) for stop in stops if stop in shown)]


WORDS = word_tokenizer()


def spaced_tokenizer() -> PreTrainedTokenizerFast:
    """Words that begin with their space, which decoding leaves out at the start of a text, as Llama's does."""
    spaced = Tokenizer(WordLevel({f"▁w{i}": i for i in range(50)}, unk_token="▁w0"))
    spaced.decoder = decoders.Metaspace()
    return PreTrainedTokenizerFast(tokenizer_object=spaced)


SPACED = spaced_tokenizer()


@settings(max_examples=100, deadline=None, derandomize=True)
@given(data=st.data())
def test_a_continuation_is_what_the_whole_has_more(data):
    """A first token's leading space belongs to the text when something stands before it."""
    ids = data.draw(st.lists(st.integers(3, 40), min_size=2, max_size=20))
    cut = data.draw(st.integers(1, len(ids) - 1))
    pieces, _ = streamed(TextStream(SPACED, before=ids[:cut]), ids[cut:])
    assert whole(SPACED, ids[:cut]) + joined(pieces) == whole(SPACED, ids)


def push_one_by_one(stream, ids):
    return [joined(stream.push([token], [False])[0]) for token in ids]


def test_a_possible_stop_is_held_back_then_released():
    stream = TextStream(WORDS, ["w7 w8 w9 "])
    assert push_one_by_one(stream, [5, 7, 8, 10]) == ["w5 ", "", "", "w7 w8 w10 "]
    assert push_one_by_one(stream, [7, 7, 8]) == ["", "w7 ", ""]
    assert stream.push([9, 11], [True, True]) == ((), 0)


def test_what_may_begin_a_stop_is_flushed_at_the_end():
    stream = TextStream(WORDS, ["w7 w8 w9 "])
    assert push_one_by_one(stream, [7, 8]) == ["", ""]
    assert stream.flush() == (("w7 ", False), ("w8 ", False))


def test_a_stop_text_inside_a_draft_ends_the_round_there():
    stream = TextStream(WORDS, ["8 w9"])
    pieces, stopped = stream.push([5, 8, 9, 10, 11], [True, True, True, True, False])
    assert stopped == 2
    assert pieces == (("w5 ", True), ("w", True))
    assert stream.flush() == ()


def test_a_stop_text_that_began_rounds_ago_takes_back_what_was_held():
    stream = TextStream(WORDS, ["w7 w8 w9 "])
    assert stream.push([6, 7], [False, True]) == ((("w6 ", False),), None)
    assert stream.push([8], [False]) == ((), None)
    assert stream.push([9], [True]) == ((), 0)


def test_of_two_stops_the_earlier_place_counts():
    stream = TextStream(WORDS, ["w8 ", "w7 w8 "])
    assert stream.push([6, 7, 8], [False] * 3) == ((("w6 ", False),), 2)


def test_pieces_keep_their_marks_while_held_back():
    dice = random.Random(5)
    ids = [dice.randrange(96) for _ in range(200)]
    drafted = [dice.random() < 0.5 for _ in ids]
    pieces, _ = streamed(TextStream(WORDS, ["w7 w8 w9 w7 ", "w1 w1 "]), ids, (3, 1, 5), drafted)
    letters = [mark for text, mark in pieces for _ in text]
    expected = [mark for token, mark in zip(ids, drafted, strict=True) for _ in f"w{token} "]
    assert letters == expected


def test_the_stop_token_has_no_text():
    stream = TextStream(WORDS, ["w9 "])
    assert stream.push([5, 9], [True, False], is_end=True) == ((("w5 ", True),), None)
    assert stream.push([9], [False], is_end=True) == ((), None)
