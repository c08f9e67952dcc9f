"""What relaxing costs: the arithmetic, and positions of the slider against each other."""

import math

import pytest
import torch
from core.models import CONFIGS, build, engine_for

from app.commands.bench_studies import SUMS
from s3d_core.bench.contenders import Reply
from s3d_core.bench.relaxed import Position, Task, compare, last_number, loss, read_sums, records, sum_chat, table
from s3d_core.bench.run import Row
from s3d_core.errors import PromptError, SettingError
from s3d_core.settings import DraftSettings, SamplingSettings

DRAFT = DraftSettings("s3d", skipped=2, draft_length=4, tree_size=16)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("He has 3 + 2 = 5 apples.", 5),
        ("The answer is 1,204.", 1204),
        ("It is -2.5 degrees", -2.5),
        ("3 apples, so none are left", 3),
        ("I do not know.", None),
        ("1. First\n2. Then: 12.", 12),
    ],
)
def test_the_last_number_of_a_reply_counts(text, number):
    assert last_number(text) == number


def test_the_shipped_sums_are_forty_different_questions_with_whole_answers():
    sums = read_sums(SUMS)
    assert len({question for question, _ in sums}) == len(sums) == 40
    assert all(answer == int(answer) > 0 for _, answer in sums)


def test_the_sums_shown_first_are_right_and_none_of_those_asked():
    asked = {question for question, _ in read_sums(SUMS)}
    *shown, last = sum_chat("How many?")
    assert last == {"role": "user", "content": "How many?"}
    assert [turn["role"] for turn in shown] == ["user", "assistant"] * 3
    assert not asked & {turn["content"] for turn in shown}
    for reply in shown[1::2]:
        term, _, result = reply["content"].partition(" = ")
        first, sign, second = term.split()
        computed = {"+": int.__add__, "-": int.__sub__, "x": int.__mul__}[sign](int(first), int(second))
        assert computed == int(result.split(".")[0]) == last_number(reply["content"])


@pytest.mark.parametrize("line", ["[]", "{}", '{"question": "q", "answer": "many"}', "no json"])
def test_sums_of_another_form_are_refused(tmp_path, line):
    file = tmp_path / "sums.jsonl"
    file.write_text(line)
    with pytest.raises(PromptError, match='"question" and "answer"'):
        read_sums(file)


@pytest.mark.parametrize("name", ["llama", "mistral window 24", "phi3 long rope"])
@pytest.mark.parametrize("written", [1, 90])
def test_the_loss_is_that_of_transformers(name, written):
    assert name in CONFIGS
    model = build(name)
    ids = [3 + (i * i) % 80 for i in range(6 + written)]
    with torch.inference_mode():
        log_p = model(torch.tensor([ids])).logits[0].log_softmax(-1)
    expected = -sum(float(log_p[at - 1, ids[at]]) for at in range(6, len(ids)))
    engine = engine_for(model)
    assert loss(engine.target, engine.cache, ids[:6], ids[6:]) == pytest.approx(expected, rel=1e-4)


def test_positions_do_the_same_tasks_and_only_relaxed_ones_leave_the_plain_text():
    engine = engine_for(build("llama"))
    tasks = [Task([7, 9, 11, at]) for at in range(5, 13)]
    seen = []
    positions = compare(
        engine, DRAFT, (1.0, 0.0), tasks, SamplingSettings(max_tokens=24), lambda done, what: seen.append(what)
    )
    exact, relaxed = positions
    assert seen[:4] == ["exactness 1", "exactness 0", "exactness 0", "exactness 1"]
    for task, reply in zip(tasks, exact.row.replies, strict=True):
        plain = engine.generate(task.ids, DraftSettings("plain"), SamplingSettings(max_tokens=24))
        assert reply.ids == [token for done in plain for token in done.ids]
    assert exact.relaxed == 0
    assert 0 < relaxed.relaxed < 1
    assert relaxed.row.tokens_per_round > exact.row.tokens_per_round
    # Greedy text is what the target finds likely; what leaves it is less so.
    assert 1 < exact.perplexity < relaxed.perplexity
    first, second = records(positions)
    assert first["same_text_as_exact"] == 8 > second["same_text_as_exact"]
    assert first["ratio_to_exact"]["median"] == 1.0


def test_positions_without_the_exact_one_are_refused():
    with pytest.raises(SettingError, match="Name 1 among"):
        compare(engine_for(build("llama")), DRAFT, (0.5, 0.0), [Task([7])], SamplingSettings(), lambda *_: None)


def test_sums_are_marked_by_the_reply_s_last_number():
    engine = engine_for(build("llama"))
    plain = engine.generate([7, 9, 11, 5], DraftSettings("plain"), SamplingSettings(max_tokens=8))
    answer = last_number(engine.tokenizer.decode([t for done in plain for t in done.ids]))
    assert answer is not None
    tasks = [Task([7, 9, 11, 5], answer), Task([7, 9, 11, 5], answer + 1), Task([7, 9, 11, 6])]
    (position,) = compare(engine, DRAFT, (1.0,), tasks, SamplingSettings(max_tokens=8), lambda *_: None)
    assert (position.right, position.answered) == (1, 2)


def a_position(exactness, ids, ms, relaxed, losses):
    replies = [Reply(ids, 5.0, ms, 1, 4, [], [], relaxed)]
    return Position(exactness, Row(f"{exactness:g}", replies), losses, 3, 4)


def test_the_table_by_hand():
    positions = [
        a_position(1.0, list(range(11)), 100.0, 0, [11 * math.log(2.0)]),
        a_position(0.5, [1] * 11, 80.0, 2, [11 * math.log(3.0)]),
    ]
    assert table(records(positions)).splitlines() == [
        "exactness  tokens/s  x exact  tokens/round  not plain's  same text  perplexity  sums right",
        "        1     100.0     1.00          2.75         0.0%        1/1        2.00         3/4",
        "      0.5     125.0     1.25          2.75        18.2%        0/1        3.00         3/4",
    ]
