"""Training on a tiny model: it learns, it resumes bit by bit, and it never spoils what it saved."""

import json
import math
import random
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from core.models import VOCABULARY, build, word_tokenizer

from s3d_core.adapter import Adapter
from s3d_core.errors import TrainingError
from s3d_core.layer import LINEARS
from s3d_core.load import Loaded
from s3d_core.settings import DraftSettings
from s3d_core.target import Target
from s3d_core.train import recipe as recipes
from s3d_core.train import trainer as trainers
from s3d_core.train.objective import Support, loss, teach
from s3d_core.train.recipe import HELD_OUT, Recipe, read_corpus, tokens_per_round, train
from s3d_core.train.trainer import STATE, Trainer, TrainSettings, settings_for

SETTINGS = TrainSettings(steps=12, slots=4, rank=4, least_skipped=1, most_skipped=4, blocks=24, seed=3)


def tiny(seed=0):
    return Loaded(Target(build("llama", seed)), word_tokenizer(), frozenset({2}), "tiny")


def some_chats(count=6, seed=0):
    """Texts with a pattern, so that there is something to learn."""
    dice = torch.Generator().manual_seed(seed)
    chats = []
    for _ in range(count):
        start = int(torch.randint(2, 6, (1,), generator=dice))
        ids = torch.randint(3, 60, (start + 20,), generator=dice).tolist()
        chats.append({"ids": ids, "start": start, "from": "given"})
    return chats


@pytest.fixture(scope="module")
def target():
    return Target(build("llama"))


def run_to(trainer, step):
    """Train until `step` steps are done, and save there."""
    steps = []
    trainer.run(lambda done: steps.append(done) or done.number >= step)
    trainer.save()
    return steps


def state(trainer):
    return {k: t.detach().clone() for k, t in (trainer.parameters | trainer.moments).items()}


def same(one, other):
    return set(one) == set(other) and all(torch.equal(one[k], other[k]) for k in one)


def test_the_loss_falls(target, tmp_path):
    chats = some_chats(2)
    trainer = Trainer(target, chats, replace(SETTINGS, steps=40, learning_rate=1e-2), tmp_path)
    before = {k: t.detach().clone() for k, t in trainer.parameters.items()}

    def measured():
        """The same blocks each time: a step's own loss hangs on its skip count and slots."""
        support = Support.of(target, torch.arange(VOCABULARY), torch.tensor([], dtype=torch.int64))
        teacher = teach(target, torch.tensor(chats[0]["ids"]))
        anchors = torch.arange(chats[0]["start"] - 1, len(chats[0]["ids"]) - 4)
        with torch.no_grad():
            return [
                float(loss(target, trainer.adapter, teacher, anchors, target.kept_layers(s), 4, support))
                for s in (1, 2, 3, 4)
            ]

    untrained = measured()
    steps = run_to(trainer, 40)
    trained = measured()
    assert all(after < 0.85 * first for after, first in zip(trained, untrained, strict=True)), (untrained, trained)
    assert [s.number for s in steps] == list(range(1, 41))
    assert {1, 2, 3} <= {s.skipped for s in steps} <= {1, 2, 3, 4}  # the bounds come seldom
    assert all(s.seconds > 0 for s in steps)
    # Nothing is left untrained.
    assert [k for k, t in trainer.parameters.items() if torch.equal(t, before[k])] == []


def test_only_layers_that_some_skip_count_keeps_have_updates(target, tmp_path):
    assert sorted(Trainer(target, some_chats(), SETTINGS, tmp_path).adapter.updates) == [0, 1, 2, 4, 5]
    narrow = replace(SETTINGS, least_skipped=3)
    assert sorted(Trainer(target, some_chats(), narrow, tmp_path).adapter.updates) == [0, 1, 5]


def test_the_model_itself_is_left_as_it_was(target, tmp_path):
    before = {(i, name): getattr(layer, name).clone() for i, layer in enumerate(target.layers) for name in LINEARS}
    embedding = target.embedding.clone()
    run_to(Trainer(target, some_chats(), SETTINGS, tmp_path), 3)
    assert torch.equal(target.embedding, embedding)
    assert all(torch.equal(getattr(target.layers[i], name), t) for (i, name), t in before.items())


@pytest.fixture(scope="module")
def unbroken(target, tmp_path_factory):
    trainer = Trainer(target, some_chats(), SETTINGS, tmp_path_factory.mktemp("unbroken"))
    return run_to(trainer, 12), state(trainer)


@pytest.mark.parametrize("stops", [(1,), (5,), (11,), (2, 3, 9), (12,)], ids=str)
def test_an_interrupted_training_ends_just_as_an_unbroken_one(target, unbroken, tmp_path, stops):
    steps, expected = unbroken
    seen = []
    for stop in (*stops, 12):
        trainer = Trainer(target, some_chats(), SETTINGS, tmp_path)
        seen += run_to(trainer, stop)
    assert same(state(trainer), expected)
    assert [(s.number, s.loss, s.skipped) for s in seen] == [(s.number, s.loss, s.skipped) for s in steps]


def test_steps_behind_the_last_checkpoint_are_done_again_alike(target, unbroken, tmp_path):
    """Killed without a word: only what was saved counts."""
    first = Trainer(target, some_chats(), SETTINGS, tmp_path)
    run_to(first, 4)
    with pytest.raises(KeyboardInterrupt):
        first.run(interrupt_at(7))
    second = Trainer(target, some_chats(), SETTINGS, tmp_path)
    assert second.step == 4
    run_to(second, 12)
    assert same(state(second), unbroken[1])


def interrupt_at(step):
    def report(done):
        if done.number == step:
            raise KeyboardInterrupt

    return report


def test_a_checkpoint_cut_while_it_is_written_leaves_the_one_before(target, unbroken, tmp_path, monkeypatch):
    first = Trainer(target, some_chats(), SETTINGS, tmp_path)
    run_to(first, 4)

    def cut(tensors, path, metadata):
        Path(path).write_bytes(b"half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(trainers, "save_file", cut)
        with pytest.raises(KeyboardInterrupt):
            run_to(first, 6)
    second = Trainer(target, some_chats(), SETTINGS, tmp_path)
    assert second.step == 4
    run_to(second, 12)
    assert same(state(second), unbroken[1])


def test_a_finished_training_has_nothing_left_to_do(target, tmp_path):
    run_to(Trainer(target, some_chats(), SETTINGS, tmp_path), 12)
    assert run_to(Trainer(target, some_chats(), SETTINGS, tmp_path), 12) == []
    # More steps may be asked for later.
    longer = Trainer(target, some_chats(), replace(SETTINGS, steps=14), tmp_path)
    assert [s.number for s in run_to(longer, 14)] == [13, 14]


def test_a_loss_that_is_no_number_ends_the_run_and_spares_the_checkpoint(target, tmp_path):
    trainer = Trainer(target, some_chats(), SETTINGS, tmp_path)
    run_to(trainer, 4)
    saved = (tmp_path / STATE).read_bytes()
    with torch.no_grad():
        trainer.adapter.masks.fill_(float("nan"))
    moments = {k: t.clone() for k, t in trainer.moments.items()}
    with pytest.raises(TrainingError, match="The loss is not a number at step 4; resume from the last checkpoint"):
        trainer.run(lambda done: None)
    assert (tmp_path / STATE).read_bytes() == saved
    assert same(trainer.moments, moments)
    assert Trainer(target, some_chats(), SETTINGS, tmp_path).step == 4


def test_a_checkpoint_of_another_model_is_refused(target, tmp_path):
    run_to(Trainer(target, some_chats(), SETTINGS, tmp_path), 2)
    with pytest.raises(TrainingError, match="belongs to another model; give another --out"):
        Trainer(Target(build("llama", seed=1)), some_chats(), SETTINGS, tmp_path)


@pytest.mark.parametrize("change", [{"slots": 2}, {"slots": 5}, {"rank": 8}, {"rank": 1}, {"least_skipped": 3}])
def test_a_checkpoint_of_other_shapes_is_refused(target, tmp_path, change):
    """A single row would otherwise be spread over all the new ones without a word."""
    first = replace(SETTINGS, **change)
    run_to(Trainer(target, some_chats(), first, tmp_path), 1)
    with pytest.raises(TrainingError, match="cannot be resumed"):
        Trainer(target, some_chats(), SETTINGS, tmp_path)


@pytest.mark.parametrize("length", [0, 8, 500, -1, None])
def test_a_damaged_checkpoint_is_refused(target, tmp_path, length):
    run_to(Trainer(target, some_chats(), SETTINGS, tmp_path), 1)
    if length is None:
        (tmp_path / STATE).unlink()
    else:
        (tmp_path / STATE).write_bytes((tmp_path / STATE).read_bytes()[:length])
    with pytest.raises(TrainingError, match="cannot be resumed"):
        Trainer(target, some_chats(), SETTINGS, tmp_path)


def test_a_checkpoint_that_says_nothing_of_itself_is_refused(target, tmp_path):
    from safetensors.torch import load_file, save_file

    run_to(Trainer(target, some_chats(), SETTINGS, tmp_path), 1)
    save_file(load_file(tmp_path / STATE), tmp_path / STATE)
    with pytest.raises(TrainingError, match="cannot be resumed"):
        Trainer(target, some_chats(), SETTINGS, tmp_path)


def test_a_corpus_of_too_short_chats_is_refused(target, tmp_path):
    for chats in ([], [{"ids": [5, 6, 7, 8], "start": 2}]):
        with pytest.raises(TrainingError, match="no chat long enough"):
            Trainer(target, chats, SETTINGS, tmp_path)


@pytest.mark.parametrize("slots", [1, 4])
def test_the_shortest_chats_that_are_taken_can_be_trained_on(target, tmp_path, slots):
    chats = [{"ids": list(range(5, 5 + length)), "start": 1} for length in range(2, slots + 4)]
    trainer = Trainer(target, chats, replace(SETTINGS, slots=slots, blocks=5), tmp_path)
    assert [len(c["ids"]) for c in trainer.chats] == [length for length in range(4, slots + 4) if length > slots + 1]
    shortest = Trainer(target, trainer.chats[:1], trainer.settings, tmp_path / "shortest")
    assert len(run_to(shortest, 2)) == 2


def test_tokens_that_occur_are_always_in_the_loss(target, tmp_path):
    trainer = Trainer(target, some_chats(), SETTINGS, tmp_path)
    trainer.adapter.vocabulary = torch.tensor([1, 2])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainers, "_SAMPLED_TOKENS", 3)
        support = trainer._support(random.Random(0), [0, 4])
    certain = sorted({1, 2, *some_chats()[0]["ids"], *some_chats()[4]["ids"]})
    assert torch.equal(support.head[: len(certain)], target.head[certain])
    # Three stand for all the others, and are of them.
    expected = [0.0] * len(certain) + [math.log((VOCABULARY - len(certain)) / 3)] * 3
    assert support.bias.tolist() == pytest.approx(expected)
    others = {tuple(target.head[t].tolist()) for t in set(range(VOCABULARY)) - set(certain)}
    assert {tuple(row) for row in support.head[len(certain) :].tolist()} < others


def test_the_learning_rate_warms_up_stays_and_falls():
    settings = TrainSettings(steps=1000, learning_rate=1e-3, decay=0.3)
    assert settings.rate(0) == pytest.approx(2e-5)
    assert settings.rate(49) == settings.rate(700) == pytest.approx(1e-3)
    assert settings.rate(850) == pytest.approx(5e-4)
    assert 0 < settings.rate(999) < 1e-5


def test_settings_that_suit_a_model(target):
    settings = settings_for(target, steps=7)
    assert (settings.least_skipped, settings.most_skipped, settings.steps) == (1, 4, 7)
    # Twenty megabytes hold any rank for a tiny model.
    assert settings.rank == 64
    assert settings_for(target, rank=5).rank == 5


# The whole way.

CORPUS = 2400

RECIPE = Recipe(None, 1.0, CORPUS, replace(SETTINGS, steps=6), measure_every=3)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A finished run: its folder and what it reported."""
    folder, reported = tmp_path_factory.mktemp("trained"), []
    adapter = train(tiny(), RECIPE, folder, lambda p: reported.append(p), "s3d train --steps 6")
    return folder, reported, adapter


def test_from_a_model_to_an_adapter(trained):
    folder, reported, adapter = trained
    corpus = [p for p in reported if p.phase == "corpus"]
    steps = [p for p in reported if p.phase == "training"]
    assert [p.done for p in corpus] == sorted(p.done for p in corpus)
    assert (corpus[-1].done, corpus[-1].total) == (CORPUS, CORPUS)
    assert [p.done for p in steps] == [1, 2, 3, 4, 5, 6]
    assert [p.done for p in steps if p.tokens_per_round is not None] == [3, 6]
    assert all(p.tokens_per_round >= 1 for p in steps if p.tokens_per_round is not None)
    chats = read_corpus(folder / "corpus.jsonl")
    assert sum(len(c["ids"]) - c["start"] for c in chats) >= CORPUS
    assert {c["from"] for c in chats} == {"self"}
    loaded = Adapter.load(folder, tiny().target)
    assert loaded.slots == 4
    card = loaded.card
    assert card["base_model"] == "tiny"
    assert card["fingerprint"] == tiny().target.fingerprint()
    assert DraftSettings(**card["defaults"]) == DraftSettings("s3d", skipped=2, draft_length=8)
    assert card["training"]["command"] == "s3d train --steps 6"
    accepted = {int(skipped): tokens for skipped, tokens in card["accepted_by_skipped"].items()}
    settings = RECIPE.training
    middle = card["defaults"]["skipped"]
    assert {settings.least_skipped, middle, settings.most_skipped} <= set(accepted)
    assert all(0 <= tokens <= 8 for tokens in accepted.values())
    assert card["training"]["held_out_tokens_per_round"] == pytest.approx(1 + accepted[middle], abs=2e-3)
    assert card["training"]["steps_done"] == 6
    assert card["training"]["corpus"]["chats"] <= len(chats) - HELD_OUT
    assert card["training"]["settings"]["rank"] == 4
    for key, t in adapter.tensors().items():
        torch.testing.assert_close(loaded.tensors()[key], t.detach().bfloat16().float(), atol=0, rtol=0)
    assert not list(folder.rglob("*.part"))


def test_an_interrupted_run_goes_on_where_it_was(trained, tmp_path):
    """In the corpus, in the middle of a line, then in the training: nothing is lost, the result is the same."""
    folder, _, adapter = trained
    # The same corpus: what is written behind an interruption is drawn with other dice.
    (tmp_path / "corpus.jsonl").write_bytes((folder / "corpus.jsonl").read_bytes())
    train(tiny(), RECIPE, tmp_path, lambda p: p.phase == "training" and p.done == 2)
    assert Adapter.load(tmp_path, tiny().target).card["training"]["steps_done"] == 2
    reported = []
    resumed = train(tiny(), RECIPE, tmp_path, lambda p: reported.append(p))
    assert [(p.phase, p.done) for p in reported] == [*(("training", n) for n in (3, 4, 5, 6)), ("finishing", 6)]
    assert same(resumed.tensors(), adapter.tensors())


def test_an_interrupted_corpus_keeps_every_whole_chat(tmp_path):
    path = tmp_path / "new" / "corpus.jsonl"

    def interrupt(progress):
        if progress.done >= 200:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        recipes.grow_corpus(tiny(), RECIPE, path, interrupt)
    before = read_corpus(path)
    assert before
    with path.open("a") as file:
        file.write('{"ids": [1, 2')
    after = recipes.grow_corpus(tiny(), RECIPE, path, lambda p: None)
    assert after[: len(before)] == before
    assert after == read_corpus(path)
    assert sum(len(c["ids"]) - c["start"] for c in after) >= CORPUS
    assert len({tuple(c["ids"]) for c in after}) > len(before) + 1
    # A corpus that is large enough is not touched.
    written = path.stat().st_mtime_ns
    assert recipes.grow_corpus(tiny(), RECIPE, path, pytest.fail) == after
    assert path.stat().st_mtime_ns == written


def test_a_run_into_another_models_folder_is_refused(trained):
    with pytest.raises(TrainingError, match="belongs to another model; give another --out"):
        train(tiny(seed=1), RECIPE, trained[0], lambda p: None)


def test_a_corpus_too_small_to_hold_chats_out_is_refused(tmp_path):
    with pytest.raises(
        TrainingError, match=r"24 are kept for measuring and calibrating; write more with --corpus-tokens"
    ):
        train(tiny(), replace(RECIPE, corpus_tokens=30), tmp_path, lambda p: None)


def test_tokens_per_round_is_measured_by_decoding(trained):
    loaded = tiny()
    chats = read_corpus(trained[0] / "corpus.jsonl")[:3]
    adapter = Adapter.load(trained[0], loaded.target)
    plain = tokens_per_round(loaded, adapter, chats, DraftSettings("plain"), 16)
    drafted = tokens_per_round(loaded, adapter, chats, DraftSettings("s3d", skipped=0, tree_size=12), 16)
    assert plain == 1.0
    # With no layer skipped the first draft is the model's own next token, up to the adapter's change.
    assert drafted > 1.2


def test_only_the_last_line_of_a_corpus_may_be_cut(tmp_path):
    path = tmp_path / "corpus.jsonl"
    assert read_corpus(path) == []
    chats = some_chats(3)
    lines = [json.dumps(c) for c in chats]
    path.write_text("\n".join(lines) + "\n" + lines[0][:-4])
    assert read_corpus(path) == chats
    path.write_bytes("\n".join(lines).encode() + b'\n{"ids": [\xff')
    assert read_corpus(path) == chats
    path.write_text("\n".join([lines[0], lines[1][:-4], lines[2]]))
    with pytest.raises(TrainingError, match=r"line 2 is damaged; delete the file to write a new corpus"):
        read_corpus(path)
