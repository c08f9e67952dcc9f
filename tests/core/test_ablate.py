"""Ablations on a tiny model: arms differ in what they say alone, and the proxy asks what decoding asks."""

import json
import math
import random
from dataclasses import replace

import pytest
import torch
from core.files import save_folder
from core.models import build, random_adapter

from s3d_core.decode import prefill
from s3d_core.draft import State
from s3d_core.recall import Recall
from s3d_core.s3d import S3D
from s3d_core.settings import DraftSettings
from s3d_core.target import Target
from s3d_core.train import ablate
from s3d_core.train.objective import teach
from s3d_core.train.proxy import Exam, accepted, exams, held
from s3d_core.tree import Tree


@pytest.fixture(scope="module")
def target():
    return Target(build("llama"))


def chats(count, seed=0):
    dice = random.Random(seed)
    return [
        {
            "ids": [dice.randrange(3, 60) for _ in range(40)],
            "start": dice.randrange(3, 8),
            "from": dice.choice(("given", "self")),
        }
        for _ in range(count)
    ]


def greedy_chat(target, length=48, start=5):
    ids = [7, 9, 11, 13, 5]
    while len(ids) < length:
        hidden = teach(target, torch.tensor(ids)).hidden
        ids.append(int((hidden[-1] @ target.head.T).argmax()))
    return {"ids": ids, "start": start, "from": "given"}


def test_a_tree_holds_the_true_tokens_up_to_the_first_that_it_lacks():
    tree = Tree()
    first = tree.add(5, 0)
    tree.add(6, 0)
    second = tree.add(7, first)
    tree.add(8, second)
    assert held(tree, [5, 7, 8, 9]) == 3
    assert held(tree, [6, 7, 8]) == 1
    assert held(tree, [4]) == held(tree, []) == held(Tree(), [5]) == 0
    assert held(tree, [5]) == 1


@pytest.mark.parametrize("skipped", [0, 2])
def test_the_proxy_counts_what_decoding_would_accept(target, skipped):
    """The same draft pass, the same tree: with an adapter that does something, place by place."""
    adapter = random_adapter(target)
    chat = greedy_chat(target)
    anchors = torch.arange(4, 40, 3)
    exam = Exam(teach(target, torch.tensor(chat["ids"])), chat["start"], anchors)
    counted = accepted(target, adapter, [exam], target.kept_layers(skipped), (16, 1))
    for size, (by_place,) in zip((16, 1), counted, strict=True):
        settings = DraftSettings("s3d", skipped, adapter.slots, size)
        for anchor, found in zip(anchors.tolist(), by_place, strict=True):
            text, cache = chat["ids"][: anchor + 1], target.new_cache()
            prefill(target, cache, text)
            with torch.inference_mode():
                tree = S3D(target, adapter.fit(target), Recall()).propose(State(text, cache, settings, 8))
            assert held(tree, chat["ids"][anchor + 1 : anchor + 5]) == found, (size, anchor)


def test_only_chats_that_the_model_wrote_greedily_are_asked_about(target):
    asked = exams(target, [*chats(3), greedy_chat(target)], most=4, places=6)
    assert len(asked) == 1
    assert asked[0].anchors.tolist() == [4, 10, 17, 24, 31, 38]


def make(target, name, begin=None, **changed):
    settings = ablate.settings_of(ablate.ARMS[name], 4, 16, seed=0)
    settings = replace(settings, least_skipped=1, most_skipped=3, rank=4, **changed)
    vocabulary = torch.arange(3, 60)
    return ablate.ArmTrainer(ablate.ARMS[name], target, chats(6), settings, {}, vocabulary, begin)


def trained(trainer):
    before = {name: tensor.detach().clone() for name, tensor in trainer.parameters.items()}
    trainer.run(lambda step: None)
    return {name for name, tensor in trainer.parameters.items() if not torch.equal(tensor, before[name])}


def test_an_arm_trains_its_linears_alone(target):
    everything = trained(make(target, "base"))
    assert {name.split(".")[2] for name in everything if name.startswith("layers.")} == {"qkv", "o", "gate_up", "down"}
    attention = trained(make(target, "attention"))
    assert {name.split(".")[2] for name in attention if name.startswith("layers.")} == {"qkv", "o"}
    assert "masks" in attention


def test_one_mask_for_all_slots_stays_one(target):
    trainer = make(target, "shared-mask")
    assert "masks" in trained(trainer)
    masks = trainer.adapter.masks
    assert torch.equal(masks, masks[:1].expand_as(masks))


def test_what_joins_the_slots_is_trained_alone_on_rows_that_are_known(target):
    begin = random_adapter(target)
    ways = {name: make(target, name, begin) for name in ("coherence", "sampler")}
    first = torch.Generator().manual_seed(0)
    rows, parents, children = (torch.randn(*shape, 48, generator=first) for shape in ((2, 3), (2, 3, 5), (2, 3, 4)))
    given = rows, parents, children, lambda: children
    for name, trainer in ways.items():
        assert torch.equal(trainer.adapter.masks, begin.masks)
        assert not trainer.adapter.child.any()
        assert not trainer.term(trainer.adapter, *given).any()  # neither says anything yet
        assert {kind.split(".")[0] for kind in trained(trainer)} == {name}
        found = trainer.term(trainer.adapter, *given)
        assert found.shape == (2, 3, 5, 4)
        assert (found[:, :, :1] != found[:, :, 1:]).any()  # it depends on the parent


def test_a_shifted_skip_leaves_out_as_many_layers_elsewhere(target):
    base, later = make(target, "base"), make(target, "base")
    later.arm = replace(later.arm, shift=1)
    assert base.kept(2) == target.kept_layers(2) == (0, 1, 4, 5)
    assert later.kept(2) == (0, 1, 2, 5)


def test_hard_targets_are_the_first_choices(target):
    trainer = make(target, "hard")
    teacher = trainer.teacher(0)
    shares = (teacher.hidden @ target.head.T).softmax(-1).amax(-1)
    assert float(shares.min()) > 0.99
    assert torch.equal(teacher.keys[0], make(target, "base").teacher(0).keys[0])


def test_anchors_are_spread_over_chats_where_an_arm_says_so(target):
    trainer = make(target, "base", blocks=40)
    trainer.most_per_chat = 4
    seen = []
    trainer.teacher = lambda index, teacher=trainer.teacher: seen.append(index) or teacher(index)
    trainer.run(lambda step: True)
    assert len(seen) == 10


def test_origins_are_compared_at_equal_numbers():
    mixed = chats(40)
    given, own = ablate.ARMS["given"].chats(mixed), ablate.ARMS["self"].chats(mixed)
    assert len(given) == len(own) > 5
    assert {chat["from"] for chat in given} == {"given"}
    assert {chat["from"] for chat in own} == {"self"}


def test_an_interval_is_of_the_ratio_on_the_same_chats():
    counts = [[1, 2, 3], [0, 0, 1], [2, 2, 2], [4, 0, 1]] * 4
    arm = {"accepted": {"12": {"tree": counts}}}
    more = {"accepted": {"12": {"tree": [[count + 1 for count in chat] for chat in counts]}}}
    rate, interval = ablate.compare(more, arm, "12", "tree")
    mean = 1 + sum(map(sum, counts)) / 48
    assert rate == pytest.approx(mean + 1)
    assert interval[0] < (mean + 1) / mean < interval[1]
    assert ablate.compare(arm, arm, "12", "tree") == (pytest.approx(mean), (1.0, 1.0))


def test_arms_are_run_once_and_put_into_a_table(target, tmp_path, capsys, monkeypatch):
    model = save_folder(tmp_path / "model")
    corpus, other = tmp_path / "corpus.jsonl", tmp_path / "other.jsonl"
    corpus.write_text("".join(json.dumps(chat) + "\n" for chat in chats(8)))
    other.write_text("".join(json.dumps(greedy_chat(target)) + "\n" for _ in range(2)))
    small = {"least_skipped": 1, "most_skipped": 3, "rank": 4}
    arms = {
        "base": ablate.Arm("base", small, skips=(1, 2)),
        "hard": ablate.Arm("hard targets", small, hard=True, skips=(2,)),
        "on": ablate.Arm("goes on", continued=True),
    }
    monkeypatch.setattr(ablate, "ARMS", arms)
    asked = ["--model", str(model), "--corpus", str(corpus), "--held-out", str(other), "--out", str(tmp_path / "o")]
    asked += ["--steps", "3", "--blocks", "8", "--curve", "2"]
    ablate.main([*asked, "--arms", "base"])
    written = (tmp_path / "o" / "base.json").read_text()
    done = json.loads(written)
    assert set(done["accepted"]) == {"1", "2"}
    assert set(done["on_the_way"]) == {"2"}
    assert done["chats"] == 8
    assert done["seconds"] > 0
    ablate.main(asked)
    assert (tmp_path / "o" / "base.json").read_text() == written
    out, error = capsys.readouterr()
    lines = out.splitlines()
    assert lines[-1].startswith("| hard targets | 2 | ")
    assert math.isfinite(float(lines[-1].split("|")[3]))
    assert "(base)" in lines[-1]
    assert "on is left out: it needs --from." in error
    with pytest.raises(SystemExit):
        ablate.main([*asked, "--arms", "none"])
    assert "no such arm: none" in capsys.readouterr().err
