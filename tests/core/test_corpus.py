"""Self-written chats: continued just as transformers would, and made of what the template allows."""

import json
import random
from itertools import islice

import pytest
import torch
from core.models import CONFIGS, VOCABULARY, build, word_tokenizer

from s3d_core.errors import PromptError, TrainingError
from s3d_core.target import Target
from s3d_core.train.corpus import frequent_tokens, prompt_ids, user_header, write_chats
from s3d_core.train.writer import Job, Writer

STOPS = {2, 11}
LONG_ROPES = [name for name, config in CONFIGS.items() if config().rope_parameters.get("rope_type") == "longrope"]


def prompts(lengths=(3, 40, 9, 1, 25, 60, 17)):
    dice = random.Random(3)
    return [[dice.randrange(3, VOCABULARY) for _ in range(length)] for length in lengths]


def greedy(model, ids, most):
    """What transformers writes behind `ids`."""
    out = model.generate(
        torch.tensor([ids]), do_sample=False, max_new_tokens=most, eos_token_id=sorted(STOPS), pad_token_id=0
    )
    return out[0, len(ids) :].tolist()


@pytest.mark.parametrize("rows", [1, 3, 16])
@pytest.mark.parametrize("name", [name for name in CONFIGS if name not in LONG_ROPES])
def test_every_row_is_what_transformers_writes(name, rows):
    """More texts than rows, of many lengths: each row keeps to itself, and is taken over when free."""
    model = build(name)
    limits = [40, 1, 25, 40, 7, 33, 40]
    expected = [greedy(model, ids, most) for ids, most in zip(prompts(), limits, strict=True)]
    jobs = [Job(ids, 0.0, most, "given") for ids, most in zip(prompts(), limits, strict=True)]
    ended = list(Writer(Target(model), STOPS, rows, 128, 0).write(iter(jobs)))
    assert [job.reply for job in jobs] == expected
    assert sorted(map(id, ended)) == sorted(map(id, jobs))
    if rows == 1:
        assert ended == jobs


@pytest.mark.parametrize("name", LONG_ROPES)
def test_a_long_rope_text_ends_where_the_frequencies_change(name):
    model = build(name)
    given = prompts((3, 40, 9, 62))
    expected = [greedy(model, ids, 64 - len(ids)) for ids in given]
    jobs = [Job(ids, 0.0, 100, "given") for ids in given]
    writer = Writer(Target(model), STOPS, 3, 128, 0)
    assert writer.context == 64
    list(writer.write(iter(jobs)))
    assert [job.reply for job in jobs] == expected


def test_a_text_ends_where_its_row_is_full():
    model = build("llama")
    jobs = [Job(ids, 0.0, 100, "given") for ids in prompts((3, 19, 10))]
    list(Writer(Target(model), set(), 2, 20, 0).write(iter(jobs)))
    assert [len(job.ids) + len(job.reply) for job in jobs] == [20, 20, 20]
    assert Writer(Target(build("llama")), set(), 1, 10_000, 0).context == 512


def test_jobs_may_depend_on_what_has_ended():
    """The corpus hands out answers to questions that the writer has just written."""
    ended = []

    def jobs():
        yield Job([5, 6], 0.0, 3, "first")
        assert not ended
        yield Job([7], 0.0, 8, "second")
        while ended:
            yield Job([ended.pop().reply[-1]], 0.0, 2, "third")

    writer = Writer(Target(build("llama")), set(), 1, 64, 0)
    seen = []
    for job in writer.write(jobs()):
        seen.append(job.origin)
        if job.origin == "second":
            ended.append(job)
    assert seen == ["first", "second", "third"]


def test_sampling_follows_the_models_distribution_and_the_seed():
    target = Target(build("llama"))

    def drawn(seed, count):
        jobs = [Job([7, 9, 11], 1.5, 1, "given") for _ in range(count)]
        list(Writer(target, set(), 8, 8, seed).write(iter(jobs)))
        return [job.reply[0] for job in jobs]

    tokens = drawn(0, 1000)
    assert tokens[:50] == drawn(0, 50)
    assert tokens[:50] != drawn(1, 50)
    logits = build("llama")(torch.tensor([[7, 9, 11]])).logits[0, -1].detach()
    expected = (logits / 1.5).softmax(-1)
    share = torch.bincount(torch.tensor(tokens), minlength=VOCABULARY) / len(tokens)
    # Three and a half standard deviations, and room for the rarest.
    assert ((share - expected).abs() <= 3.5 * (expected / len(tokens)).sqrt() + 2e-3).all()


def test_greedy_and_sampled_rows_do_not_mix():
    model = build("llama")
    expected = [greedy(model, ids, 20) for ids in prompts((5, 12))]
    jobs = [Job(ids, heat, 20, "given") for ids in prompts((5, 12)) for heat in (0.0, 0.8)]
    list(Writer(Target(model), STOPS, 4, 64, 0).write(iter(jobs)))
    assert [job.reply for job in jobs if job.temperature == 0] == expected


# Chats.


def chats(count, given=(), share=0.5, seed=0, **options):
    made = write_chats(
        Target(build("llama")), word_tokenizer(), {2}, list(given), self_written=share, seed=seed, rows=4, **options
    )
    return list(islice(made, count))


def test_the_users_header_is_the_templates():
    tokenizer = word_tokenizer()
    assert user_header(tokenizer) == [5]
    assert prompt_ids(tokenizer, "w20 w21 ") == [5, 20, 21, 6]
    tokenizer.chat_template = "{% for m in messages %}w5 {{ m.content | upper | replace('R', '') }}w6 {% endfor %}"
    with pytest.raises(TrainingError, match="hides the user's turn; give --prompts"):
        user_header(tokenizer)
    tokenizer.chat_template = None
    with pytest.raises(TrainingError, match="no chat template"):
        user_header(tokenizer)
    # A training is as safe from a stranger's template as a chat is.
    tokenizer.chat_template = "{{ 9 ** 9 ** 9 }}"
    for asked in (user_header, lambda it: prompt_ids(it, "w20 ")):
        with pytest.raises(PromptError, match="computes powers"):
            asked(tokenizer)


def test_given_prompts_are_answered_as_the_model_does():
    model = build("llama")
    made = chats(12, given=["w20 w21 ", "w33 "], share=0.0, max_reply=24)
    starts = {(5, 20, 21, 6), (5, 33, 6)}
    assert {tuple(c["ids"][: c["start"]]) for c in made} == starts
    assert {c["from"] for c in made} == {"given"}
    own = {start: tuple(greedy_reply(model, start)) for start in starts}
    # Half are greedy, half sampled.
    exact = [tuple(c["ids"][c["start"] :]) == own[tuple(c["ids"][: c["start"]])] for c in made]
    assert any(exact)
    assert not all(exact)
    assert all(8 <= len(c["ids"]) - c["start"] <= 24 for c in made)


def greedy_reply(model, start):
    out = model.generate(torch.tensor([start]), do_sample=False, max_new_tokens=24, eos_token_id=2, pad_token_id=0)
    return out[0, len(start) :].tolist()


def test_the_model_writes_user_turns_of_its_own():
    made = chats(8, share=0.0, max_reply=24)  # without prompts every chat is its own
    assert {c["from"] for c in made} == {"self"}
    for c in made:
        start = c["ids"][: c["start"]]
        assert start[0] == 5
        assert start[-1] == 6
        assert len(start) > 2
    assert len({tuple(c["ids"]) for c in made}) == 8


def test_both_kinds_come_and_the_seed_fixes_them():
    made = chats(16, given=["w20 w21 "], share=0.5, max_reply=24)
    assert {c["from"] for c in made} == {"given", "self"}
    assert chats(16, given=["w20 w21 "], share=0.5, max_reply=24) == made
    assert chats(16, given=["w20 w21 "], share=0.5, seed=1, max_reply=24) != made
    json.dumps(made)


def test_prompts_that_are_too_long_are_left_out():
    made = chats(6, given=["w20 " * 50, "w33 "], share=0.0, max_prompt=20, max_reply=24)
    assert {tuple(c["ids"][: c["start"]]) for c in made} == {(5, 33, 6)}
    with pytest.raises(TrainingError, match="longer than 20 tokens"):
        chats(1, given=["w20 " * 50], share=0.0, max_prompt=20)


def test_a_model_with_a_short_context_is_not_overrun():
    made = write_chats(
        Target(build("phi3 long rope")), word_tokenizer(), {2}, ["w20 " * 50, "w20 " * 70],
        self_written=0.3, seed=0, rows=3,
    )  # fmt: skip
    assert all(len(c["ids"]) <= 64 for c in islice(made, 8))


def test_the_most_frequent_reply_tokens():
    chats = [{"ids": [9, 9, 9, 4, 5, 5], "start": 3}, {"ids": [9, 7, 7, 7], "start": 1}]
    assert frequent_tokens(chats, 2) == [5, 7]
    assert frequent_tokens(chats, 100) == [4, 5, 7]
    assert frequent_tokens(chats, 0) == []
