"""The Phi-3 family in every detail: the rope's switch, the window, configurations, templates, files."""

import copy
import json
from pathlib import Path

import gguf
import pytest
import torch
from core import models
from core.files import save_folder, save_gguf
from core.models import VOCABULARY, build, engine_for, word_tokenizer
from transformers import Phi3Config

from s3d_core.chat_template import chat_text
from s3d_core.gguf import left_out
from s3d_core.kernels import jit
from s3d_core.load import load, stop_tokens
from s3d_core.settings import DraftSettings, SamplingSettings
from s3d_core.target import Target

CPU = torch.device("cpu")
SWITCH = 64
DRAFTS = [
    DraftSettings("plain"),
    DraftSettings("lookup", draft_length=4),
    DraftSettings("skip", skipped=2, draft_length=4),
    DraftSettings("s3d", skipped=2, draft_length=4, tree_size=12),
]
needs_kernels = pytest.mark.skipif(not jit.available(), reason="packed products need AVX2 on Linux")
layouts = pytest.mark.parametrize("packed", [False, pytest.param(True, marks=needs_kernels)], ids=["torch", "packed"])


def words(count, seed=1):
    # A text that repeats itself, so that lookup drafts too.
    return [3 + (seed + i * i) % 31 for i in range(count)]


def expected(reference, prompt, count):
    out = reference.generate(
        torch.tensor([prompt]), do_sample=False, max_new_tokens=count, eos_token_id=2, pad_token_id=0
    )
    return out[0, len(prompt) :].tolist()


def written(engine, prompt, draft, count):
    sampling = SamplingSettings(max_tokens=count)
    return [token for done in engine.generate(prompt, draft, sampling) for token in done.ids]


@layouts
@pytest.mark.parametrize("name", ["phi3.5 mini", "phi4 mini"])
def test_drafting_right_at_the_switch_and_reading_a_prompt_across_it(name, packed):
    """The first position with the long frequencies makes every cached key stale, also in the middle of a draft."""
    model = build(name)
    reference = copy.deepcopy(model)
    engine = engine_for(model, packed=packed)
    for length in (SWITCH - 6, SWITCH - 1, SWITCH, SWITCH + 1, 300):
        prompt = words(length)
        wanted = expected(reference, prompt, 16)
        for draft in DRAFTS:
            assert written(engine, prompt, draft, 16) == wanted, f"{length} tokens, {draft.strategy}"


@layouts
def test_a_cached_prefix_is_used_on_its_own_side_of_the_switch_alone(packed):
    model = build("phi3.5 mini")
    reference = copy.deepcopy(model)
    engine = engine_for(model, packed=packed)
    draft = DRAFTS[3]
    prompt = words(SWITCH - 10)
    first = written(engine, prompt, draft, 24)
    assert engine.cache.long_rope
    # Regenerating: the keys of the prompt are in the cache, but turned with the long frequencies.
    assert written(engine, prompt, draft, 24) == first == expected(reference, prompt, 24)
    # The chat goes on behind the switch, and the prefix is taken as it is.
    longer = prompt + first + words(5, seed=9)
    assert written(engine, longer, draft, 12) == expected(reference, longer, 12)
    # A reply that was cut off before the switch, gone on with across it.
    cut = prompt + first[:4]
    assert written(engine, cut, draft, 24) == expected(reference, cut, 24)


@layouts
def test_text_far_beyond_the_window(packed):
    """A window that text, tree and prefill chunks are longer than; at 2,047 nothing would be left out here."""
    model = build("phi3 window 24")
    reference = copy.deepcopy(model)
    engine = engine_for(model, packed=packed)
    for length in (20, 24, 25, 290):
        prompt = words(length)
        wanted = expected(reference, prompt, 20)
        for draft in DRAFTS:
            assert written(engine, prompt, draft, 20) == wanted, f"{length} tokens, {draft.strategy}"


# What the configurations of the family's members say, in their own spelling and with small sizes.
_SMALL = {
    "architectures": ["Phi3ForCausalLM"],
    "model_type": "phi3",
    "auto_map": {
        "AutoConfig": "configuration_phi3.Phi3Config",
        "AutoModelForCausalLM": "modeling_phi3.Phi3ForCausalLM",
    },
    "hidden_size": 48,
    "intermediate_size": 80,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "vocab_size": VOCABULARY,
    "rms_norm_eps": 1e-05,
    "rope_theta": 10000.0,
    "original_max_position_embeddings": 4096,
    "embd_pdrop": 0.0,
    "resid_pdrop": 0.0,
    "attention_bias": False,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
    "torch_dtype": "bfloat16",
}
_FACTORS = {"short_factor": [1.0] * 6, "long_factor": [1.0, 1.5, 2.0, 4.0, 8.0, 16.0]}
MEMBERS = {
    "Phi-3-mini-4k": {"max_position_embeddings": 4096, "sliding_window": 2047, "rope_scaling": None},
    "Phi-3-mini-128k, first revision": {
        "max_position_embeddings": 131072,
        "sliding_window": 262144,
        "rope_scaling": _FACTORS | {"type": "su"},
    },
    "Phi-3.5-mini": {
        "max_position_embeddings": 131072,
        "sliding_window": 262144,
        "rope_scaling": _FACTORS | {"type": "longrope"},
    },
    "Phi-4-mini": {
        "max_position_embeddings": 131072,
        "sliding_window": 262144,
        "hidden_size": 64,
        "num_key_value_heads": 2,
        "partial_rotary_factor": 0.75,
        "tie_word_embeddings": True,
        "rope_scaling": _FACTORS | {"type": "longrope"},
    },
}


@pytest.mark.parametrize("name", MEMBERS)
def test_a_members_own_configuration_is_read_right(name, tmp_path):
    config = _SMALL | MEMBERS[name]
    folder = tmp_path / "member"
    from transformers import AutoModelForCausalLM, Phi3Config

    torch.manual_seed(0)
    # transformers does not know the rope's first name.
    known = copy.deepcopy(config)
    if known["rope_scaling"]:
        known["rope_scaling"]["type"] = "longrope"
    model = AutoModelForCausalLM.from_config(Phi3Config(**known), dtype=torch.float32).eval()
    model.save_pretrained(folder)
    word_tokenizer().save_pretrained(folder)
    (folder / "config.json").write_text(json.dumps(config))
    target = load(folder, torch.float32, CPU, lambda phase, share: None).target
    is_long = config["rope_scaling"] is not None
    assert target.rope_switch == (4096 if is_long else None)
    assert target.context_limit == config["max_position_embeddings"]
    assert target.windows == [config["sliding_window"]]
    turned = int(config["hidden_size"] // 4 * config.get("partial_rotary_factor", 1.0))
    for last in (10, 5000) if is_long else (10,):
        cos, sin = target.rope(torch.tensor([7]), last)
        assert cos.shape == (1, turned)
        wanted = model.model.rotary_emb(torch.empty(0), torch.tensor([[7, last]]))
        torch.testing.assert_close((cos[0], sin[0]), (wanted[0][0, 0], wanted[1][0, 0]))


# Templates as the family's members write chats, written down here for these tests.
FIRST_PHI3 = (
    "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}{{ '<|user|>' + '\n' + "
    "message['content'] + '<|end|>' + '\n' + '<|assistant|>' + '\n' }}{% elif message['role'] == 'assistant' %}"
    "{{ message['content'] + '<|end|>' + '\n' }}{% endif %}{% endfor %}"
)
PHI35 = (
    "{% for message in messages %}{% if message['role'] == 'system' and message['content'] %}{{ '<|system|>\n' + "
    "message['content'] + '<|end|>\n' }}{% elif message['role'] == 'user' %}{{ '<|user|>\n' + message['content'] + "
    "'<|end|>\n' }}{% elif message['role'] == 'assistant' %}{{ '<|assistant|>\n' + message['content'] + '<|end|>\n' }}"
    "{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}"
)
PHI4 = (
    "{% for message in messages %}{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% else %}{{ eos_token }}{% endif %}"
)
REFUSING = (
    "{% for message in messages %}{% if message['role'] == 'system' %}{{ raise_exception('no system role') }}"
    "{% endif %}[{{ message['content'] }}]{% endfor %}"
)
CHAT = [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}, {"role": "user", "content": "Oh"}]
SYSTEM = {"role": "system", "content": "Be brief."}


@pytest.mark.parametrize(
    ("template", "plain", "with_system"),
    [
        (
            FIRST_PHI3,
            "<s><|user|>\nWhy?<|end|>\n<|assistant|>\nSo.<|end|>\n<|user|>\nOh<|end|>\n<|assistant|>\n",
            "<s><|user|>\nBe brief.\n\nWhy?<|end|>\n<|assistant|>\nSo.<|end|>\n<|user|>\nOh<|end|>\n<|assistant|>\n",
        ),
        (
            PHI35,
            "<|user|>\nWhy?<|end|>\n<|assistant|>\nSo.<|end|>\n<|user|>\nOh<|end|>\n<|assistant|>\n",
            "<|system|>\nBe brief.<|end|>\n<|user|>\nWhy?<|end|>\n<|assistant|>\nSo.<|end|>\n<|user|>\nOh<|end|>\n"
            "<|assistant|>\n",
        ),
        (
            PHI4,
            "<|user|>Why?<|end|><|assistant|>So.<|end|><|user|>Oh<|end|><|assistant|>",
            "<|system|>Be brief.<|end|><|user|>Why?<|end|><|assistant|>So.<|end|><|user|>Oh<|end|><|assistant|>",
        ),
        (REFUSING, "[Why?][So.][Oh]", "[Be brief.\n\nWhy?][So.][Oh]"),
    ],
    ids=["first Phi-3", "Phi-3.5", "Phi-4", "refuses"],
)
def test_no_template_loses_the_system_prompt(template, plain, with_system):
    """The first Phi-3 template leaves a system message out without a word."""
    tokenizer = word_tokenizer()
    tokenizer.chat_template = template
    tokenizer.bos_token = "<s>"
    assert chat_text(tokenizer, CHAT) == plain
    assert chat_text(tokenizer, [SYSTEM, *CHAT]) == with_system
    assert chat_text(tokenizer, [SYSTEM | {"content": " "}, *CHAT]) in (plain, with_system.replace("Be brief.", " "))


def test_both_of_the_familys_stop_tokens_end_a_reply():
    tokenizer = word_tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|end|>", "<|endoftext|>"]})
    ids = {tokenizer.convert_tokens_to_ids(name) for name in ("<|end|>", "<|endoftext|>")}
    assert stop_tokens(tokenizer, type("Config", (), {"eos_token_id": None})) == ids
    engine = engine_for(build("phi3.5 mini"))
    free = written(engine, words(20), DRAFTS[3], 30)
    for stop in (free[3], free[9]):
        engine.stop_ids = frozenset({stop, free[25]})
        got = written(engine, words(20), DRAFTS[3], 30)
        assert got == free[: free.index(stop) + 1]


# GGUF files, whose rotary embedding and window transformers itself does not read.


@pytest.mark.parametrize(
    ("name", "kind"),
    [("phi3 window 24", "F32"), ("phi3.5 mini", "F16"), ("phi4 mini", "Q8_0"), ("phi3 partial rotary", "Q4_0")],
)
def test_a_gguf_file_is_the_model_that_was_written(name, kind, tmp_path):
    loaded = load(save_gguf(tmp_path / "phi.gguf", name=name, kind=kind), torch.float32, CPU, lambda phase, share: None)
    model = build(name)
    stock, target = Target(copy.deepcopy(model)), loaded.target
    assert (target.windows, target.rope_switch) == (stock.windows, stock.rope_switch)
    assert loaded.stop_ids == {6, 7}
    assert loaded.tokenizer.encode("a<|end|>", add_special_tokens=False)[-1] == 6
    for last in (10, 100):
        torch.testing.assert_close(target.rope(torch.tensor([9]), last), stock.rope(torch.tensor([9]), last))
    tolerance = {"F32": 0, "F16": 1e-3, "Q8_0": 0.02, "Q4_0": 0.3}[kind]
    for part in ("qkv", "o", "gate_up", "down"):
        got, wanted = getattr(target.layers[3], part), getattr(stock.layers[3], part)
        assert float((got - wanted).abs().max()) <= tolerance, part
    if kind == "F32":
        engine = engine_for(model)
        assert written(engine, words(60), DRAFTS[0], 30) == written(engine_of(loaded), words(60), DRAFTS[0], 30)


def engine_of(loaded):
    from s3d_core.engine import Engine

    loaded.stop_ids = frozenset({2})
    return Engine(loaded, Path("phi"), None)


def test_an_old_file_of_the_first_phi3_has_its_window(tmp_path):
    """Phi-3's first official files do not tell of the window; llama.cpp fills in 2,047 as well."""
    import gguf

    file = gguf.GGUFWriter(str(tmp_path / "old.gguf"), "phi3")
    file.add_rope_dimension_count(12)
    file.write_header_to_file()
    file.write_kv_data_to_file()
    file.close()
    config = {"max_position_embeddings": 4096, "hidden_size": 48, "num_attention_heads": 4}
    found = left_out(tmp_path / "old.gguf", config)
    assert found["sliding_window"] == 2047
    assert found["rope_parameters"] == {"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 1.0}
    assert left_out(tmp_path / "old.gguf", config | {"max_position_embeddings": 131072})["sliding_window"] is None


def test_a_folder_loads(tmp_path):
    folder = save_folder(tmp_path / "phi4", name="phi4 mini")
    target = load(folder, torch.float32, CPU, lambda phase, share: None).target
    assert target.fingerprint() == Target(build("phi4 mini")).fingerprint()
    assert target.rope_switch == SWITCH


@pytest.mark.parametrize("kind", ["Q4_K", "Q5_K", "Q6_K"])
def test_the_formats_of_the_official_quantized_files_are_read(kind, tmp_path, monkeypatch):
    shape = {"hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 2}
    config = Phi3Config(**(models._SHAPE | shape), sliding_window=24)
    monkeypatch.setitem(models.CONFIGS, "phi3 wide", lambda: config)
    path = save_gguf(tmp_path / "phi.gguf", name="phi3 wide", kind=kind)
    target = load(path, torch.float32, CPU, lambda phase, share: None).target
    stored = {tensor.name: tensor for tensor in gguf.GGUFReader(path).tensors}
    names = {"attn_qkv": "qkv", "attn_output": "o", "ffn_up": "gate_up", "ffn_down": "down"}
    for number, layer in enumerate(target.layers):
        for name, field in names.items():
            tensor = stored[f"blk.{number}.{name}.weight"]
            assert tensor.tensor_type.name == kind
            expected = torch.from_numpy(gguf.quants.dequantize(tensor.data, tensor.tensor_type))
            assert torch.equal(getattr(layer, field), expected)
            assert expected.std() > 0
