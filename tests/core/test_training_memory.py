"""What training holds in memory, counted: a model of Phi-3-mini's shape has to fit a GPU of 12 GB."""

import pytest
import torch
from core.models import build
from gpu.place import phi3_mini
from transformers import AutoModelForCausalLM, Phi3Config

from s3d_core.draft_head import frequent_size
from s3d_core.target import Target
from s3d_core.train import memory
from s3d_core.train.objective import loss, teach
from s3d_core.train.trainer import _SAMPLED_TOKENS, Support, Trainer, TrainSettings, settings_for

CHATS = [{"ids": [(7 * i * (k + 1)) % 90 + 3 for i in range(60)], "start": 5} for k in range(4)]
SETTINGS = TrainSettings(steps=2, rank=4, least_skipped=1, most_skipped=3, blocks=24)
# Longest chat of a corpus, in tokens: prompt and reply.
LONGEST = 512


def trainer_of(model, folder) -> Trainer:
    return Trainer(Target(model), CHATS, SETTINGS, folder)


def kept_for_the_way_back(trainer, count: int) -> tuple[int, set]:
    """Bytes that autograd keeps of a loss at so many anchors, and the shapes and precisions of what it keeps."""
    target, adapter = trainer.target, trainer.adapter
    teacher = teach(target, torch.tensor(CHATS[0]["ids"])).kept(adapter.updates)
    support = Support.of(target, torch.arange(90), torch.tensor([91, 93]))
    held: dict[int, int] = {}
    kinds = set()

    def keep(tensor):
        storage = tensor.untyped_storage()
        held[storage.data_ptr()] = storage.nbytes()
        kinds.add((tuple(tensor.shape), tensor.dtype))
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        value = loss(target, adapter, teacher, torch.arange(5, 5 + count), target.kept_layers(2), 4, support)
    assert value.requires_grad
    return sum(held.values()), kinds


@pytest.mark.parametrize("name", ["phi3.5 mini", "qwen3", "phi4 mini"])
def test_what_autograd_keeps_of_a_row_is_not_more_than_is_counted(name, tmp_path):
    trainer = trainer_of(build(name), tmp_path)
    few, many = (kept_for_the_way_back(trainer, count)[0] for count in (8, 24))
    per_row = (many - few) / (16 * 4)
    counted = memory.row_bytes(trainer.target, len(trainer.target.kept_layers(2)))
    assert counted / 2 < per_row <= counted


def test_a_bfloat16_model_is_trained_without_copies_of_its_weights(tmp_path):
    exact, rounded = (
        trainer_of(build("phi3.5 mini").to(dtype), tmp_path / str(dtype)) for dtype in (torch.float32, torch.bfloat16)
    )
    losses = []
    for trainer in (exact, rounded):
        trainer.run(lambda step: losses.append(step.loss))
    assert losses[2:] == pytest.approx(losses[:2], rel=0.02)
    layer = rounded.target.layers[0]
    weights = {tuple(w.shape) for w in (layer.qkv, layer.gate_up, layer.down)}
    assert not [
        shape for shape, dtype in kept_for_the_way_back(rounded, 8)[1] if shape in weights and dtype != torch.bfloat16
    ]


def test_a_step_cut_to_the_memory_there_is_learns_the_same(tmp_path, monkeypatch):
    whole, cut = (trainer_of(build("llama"), tmp_path / name) for name in ("whole", "cut"))
    whole.run(lambda step: None)
    monkeypatch.setattr(memory, "ACTIVATION_BYTES", 1)
    assert memory.anchors_at_once(cut.target, 4, 4) == 4
    cut.run(lambda step: None)
    for name, p in whole.parameters.items():
        torch.testing.assert_close(cut.parameters[name], p, rtol=1e-3, atol=1e-5)


def test_phi3_mini_in_bfloat16_with_rank_32_is_trained_on_a_card_of_12_gb():
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(phi3_mini(), dtype=torch.bfloat16)
    weights = sum(p.numel() * p.element_size() for p in model.parameters())
    target = Target(model)
    settings = settings_for(target, rank=32)
    layers = len(set(target.kept_layers(settings.least_skipped)) | set(target.kept_layers(settings.most_skipped)))
    anchors = memory.anchors_at_once(target, settings.slots, layers)
    assert 8 <= anchors < settings.blocks
    seen = frequent_size(32064) + _SAMPLED_TOKENS + 4 * LONGEST
    scores = 4 * target.heads * anchors * settings.slots * (LONGEST + settings.slots)
    training = {
        "weights": weights,
        "adapter, gradients, moments": memory.adapter_bytes(target, layers, settings.rank),
        "activations": anchors * settings.slots * memory.row_bytes(target, layers),
        "rows of head and embedding, and their gathering": 3 * 4 * seen * 3072,
        "teacher": LONGEST * 2 * (2 * 3072 * target.depth + 3072),
        "attention's scores on the way back, four of them, and a layer's past": 4 * scores + 2 * 4 * LONGEST * 3072,
        "masks of the teacher's pass": 2 * LONGEST * LONGEST * 2,
    }
    texts = memory.texts_at_once(target, LONGEST, 64)
    writing = weights + texts * LONGEST * 2 * 2 * 3072 * target.depth + 3 * 4 * texts * 32064
    driver, card = 600 << 20, 12 << 30
    assert weights > 7.6e9
    for held in (sum(training.values()), writing):
        assert 1.1 * (held - weights) + weights + driver < card, training  # a tenth for what lies between blocks


def test_the_default_models_training_is_as_it_was():
    small = Phi3Config(
        vocab_size=49152,
        hidden_size=576,
        intermediate_size=1536,
        num_hidden_layers=30,
        num_attention_heads=9,
        num_key_value_heads=3,
        pad_token_id=0,
    )
    with torch.device("meta"):
        target = Target(AutoModelForCausalLM.from_config(small, dtype=torch.float32))
    settings = settings_for(target, rank=48)
    assert memory.anchors_at_once(target, settings.slots, target.depth - settings.least_skipped) >= settings.blocks
    assert memory.texts_at_once(target, LONGEST, 64) == 64
