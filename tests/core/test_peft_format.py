"""The adapter as a peft LoRA: the real peft computes what our draft pass computes, and nothing is lost on the way."""

import json
import shutil

import pytest
import torch
from core.models import build, random_adapter
from peft import PeftModel
from safetensors.torch import load_file, save_file

from s3d_core.adapter import CARD, WEIGHTS, Adapter
from s3d_core.engine import ADAPTERS
from s3d_core.errors import AdapterError
from s3d_core.peft_format import LORA, LORA_CONFIG, REST, from_peft, to_peft
from s3d_core.target import Target

# peft asks transformers by a name that is to go.
pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")

SHIPPED = ADAPTERS / "SmolLM2-135M-Instruct"


def adapter_of(name, folder):
    """(our target, our adapter) of a small model, and the adapter in `folder`."""
    target = Target(build(name))
    adapter = random_adapter(target)
    adapter.card = {"fingerprint": target.fingerprint(), "base_model": name}
    adapter.save(folder, torch.float32)
    return target, Adapter.load(folder, target)


@pytest.mark.parametrize("name", ["llama", "qwen2", "qwen3", "mistral window 24", "phi3 window 24", "phi4 mini"])
@torch.inference_mode()
def test_peft_s_layers_are_those_of_the_draft_pass(name, tmp_path):
    target, adapter = adapter_of(name, tmp_path / "ours")
    to_peft(tmp_path / "ours", tmp_path / "peft", joined=name.startswith("phi"))
    model = PeftModel.from_pretrained(build(name), tmp_path / "peft").eval()
    body = model.base_model.model.model
    rows = 12
    x = torch.randn(rows, target.config.hidden_size, generator=torch.Generator().manual_seed(3))
    positions = torch.arange(rows)
    rope = body.rotary_emb(x[None], positions[None])
    visible = torch.ones(rows, rows, dtype=torch.bool).tril()
    for i in range(target.depth):

        def ours(updates, i=i):
            return target.cached_pass(x, positions, rows - 1, target.new_cache(), visible, (i,), updates, start=0)

        theirs = body.layers[i](x[None], position_embeddings=rope, position_ids=positions[None])
        theirs = (theirs[0] if isinstance(theirs, tuple) else theirs).reshape(x.shape)
        torch.testing.assert_close(theirs, ours(adapter.updates), rtol=1e-4, atol=1e-4)
        assert not torch.allclose(theirs, ours(None), rtol=1e-2, atol=1e-2), "the updates do nothing here"


def test_with_the_lora_switched_off_peft_runs_the_stock_model(tmp_path):
    adapter_of("llama", tmp_path / "ours")
    to_peft(tmp_path / "ours", tmp_path / "peft")
    model = PeftModel.from_pretrained(build("llama"), tmp_path / "peft").eval()
    ids = torch.tensor([[5, 9, 11]])
    with torch.inference_mode(), model.disable_adapter():
        assert torch.equal(model(ids).logits, build("llama")(ids).logits)


@pytest.mark.parametrize("joined", [False, True])
def test_there_and_back_is_bit_equal(joined, tmp_path):
    to_peft(SHIPPED, tmp_path / "peft", joined=joined)
    from_peft(tmp_path / "peft", tmp_path / "back")
    before, after = load_file(SHIPPED / WEIGHTS), load_file(tmp_path / "back" / WEIGHTS)
    assert before.keys() == after.keys()
    for key, tensor in before.items():
        assert tensor.dtype == after[key].dtype
        assert torch.equal(tensor, after[key]), key
    assert json.loads((tmp_path / "back" / CARD).read_text()) == json.loads((SHIPPED / CARD).read_text())


def test_the_shipped_adapter_names_every_module_of_the_kept_layers(tmp_path):
    to_peft(SHIPPED, tmp_path, base_model="HuggingFaceTB/SmolLM2-135M-Instruct")
    config = json.loads((tmp_path / LORA_CONFIG).read_text())
    assert config["r"] == config["lora_alpha"] == 48
    assert config["base_model_name_or_path"] == "HuggingFaceTB/SmolLM2-135M-Instruct"
    lora = load_file(tmp_path / LORA)
    assert len(lora) == 2 * 7 * len(config["layers_to_transform"])
    first = "base_model.model.model.layers.0.self_attn."
    assert [lora[f"{first}{n}_proj.lora_B.weight"].shape[0] for n in "qkv"] == [576, 192, 192]


def test_what_is_no_draft_adapter_is_refused_in_one_sentence(tmp_path):
    with pytest.raises(AdapterError, match="There is no draft adapter in"):
        to_peft(tmp_path, tmp_path / "out")
    with pytest.raises(AdapterError, match="missing or damaged"):
        from_peft(tmp_path, tmp_path / "out")
    adapter_of("llama", tmp_path / "ours")
    to_peft(tmp_path / "ours", tmp_path / "peft")
    ours = load_file(tmp_path / "ours" / WEIGHTS)
    other = tmp_path / "other"
    shutil.copytree(tmp_path / "ours", other)
    narrower = {"layers.2.o.a": ours["layers.2.o.a"][:2], "layers.2.o.b": ours["layers.2.o.b"][:, :2]}
    save_file(ours | {key: tensor.contiguous() for key, tensor in narrower.items()}, other / WEIGHTS)
    with pytest.raises(AdapterError, match="several ranks"):
        to_peft(other, tmp_path / "out")
    save_file(ours | {"layers.2.o.a": torch.tensor(1.0)}, other / WEIGHTS)
    with pytest.raises(AdapterError, match="damaged"):
        to_peft(other, tmp_path / "out")
    whole = load_file(tmp_path / "peft" / LORA)
    key = "base_model.model.model.layers.1.mlp.up_proj.lora_A.weight"

    def changed(tensors):
        folder = tmp_path / "changed"
        shutil.copytree(tmp_path / "peft", folder, dirs_exist_ok=True)
        save_file(tensors, folder / LORA)
        return folder

    with pytest.raises(AdapterError, match="different A matrices for gate_proj and up_proj of layer 1"):
        from_peft(changed(whole | {key: whole[key] + 1}), tmp_path / "out")
    with pytest.raises(AdapterError, match="damaged or incomplete"):
        from_peft(changed({k: v for k, v in whole.items() if k != key}), tmp_path / "out")
    with pytest.raises(AdapterError, match="no place"):
        from_peft(changed(whole | {"lm_head": torch.zeros(1)}), tmp_path / "out")
    folder = changed(whole)
    (folder / REST).write_bytes(b"no such file")
    with pytest.raises(AdapterError, match="missing or damaged"):
        from_peft(folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()
