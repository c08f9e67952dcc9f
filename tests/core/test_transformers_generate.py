"""S3D as transformers' `custom_generate`: the same text, the same streamers and criteria, the model unharmed."""

import threading

import pytest
import torch
from core.models import CONFIGS, VOCABULARY, build, random_adapter, word_tokenizer
from transformers import (
    AutoTokenizer,
    GenerationConfig,
    LogitsProcessor,
    StoppingCriteria,
    StopStringCriteria,
    TextIteratorStreamer,
)
from transformers.generation import GenerateDecoderOnlyOutput
from transformers.generation.streamers import BaseStreamer

from s3d_core.errors import ModelError, SettingError
from s3d_core.gguf import unpacked
from s3d_core.kernels import jit
from s3d_core.load import stock_model
from s3d_core.settings import DraftSettings, SamplingSettings
from s3d_core.target import Target
from s3d_core.transformers_generate import S3DGenerate

DRAFT = DraftSettings("s3d", skipped=2, draft_length=4, tree_size=8)
PROMPT = [5, 9, 11, 40, 41, 9, 11, 40]
GREEDY = {"do_sample": False, "max_new_tokens": 24, "eos_token_id": 2, "pad_token_id": 0}


def adapter_for(name, folder):
    """A random adapter on disk for a model of that name."""
    target = Target(build(name))
    adapter = random_adapter(target)
    adapter.card = {"fingerprint": target.fingerprint()}
    adapter.save(folder, torch.float32)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return adapter_for("llama", tmp_path_factory.mktemp("adapter"))


@pytest.fixture(scope="module")
def model():
    return build("llama")


@pytest.fixture(scope="module")
def s3d(model, folder):
    return S3DGenerate(model, folder, DRAFT)


def prompt(ids=PROMPT):
    ids = torch.tensor([ids])
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


class Noted(BaseStreamer):
    def __init__(self):
        self.ids, self.ended = [], False

    def put(self, value):
        self.ids += value.flatten().tolist()

    def end(self):
        self.ended = True


@pytest.mark.parametrize("name", CONFIGS)
def test_greedy_text_is_that_of_generate_without_it(name, tmp_path):
    model = build(name)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    s3d = S3DGenerate(model, adapter_for(name, tmp_path), DRAFT)
    for ids in ([7], list(range(3, 50))):  # the second one crosses the window and the long rope's switch
        expected = model.generate(**prompt(ids), **GREEDY)
        for draft in (DRAFT, DraftSettings("lookup", draft_length=3)):
            s3d.draft = draft
            assert torch.equal(model.generate(**prompt(ids), custom_generate=s3d, **GREEDY), expected), draft
    after = model.state_dict()
    assert all(torch.equal(after[key], value) for key, value in before.items())


def test_the_parameters_are_shared_and_only_joined_matrices_are_new(model, s3d):
    ours = {t.data_ptr() for layer in s3d._engine.target.layers for t in (layer.o, layer.down, layer.mlp_norm)}
    theirs = {p.data_ptr() for p in model.parameters()}
    assert ours <= theirs
    assert s3d._engine.target.embedding.data_ptr() in theirs


@pytest.mark.skipif(not jit.available(), reason="packed products need AVX2 on Linux")
def test_packed_weights_write_the_same_and_leave_the_model_alone(tmp_path):
    model = build("llama")
    expected = model.generate(**prompt(), **GREEDY)
    s3d = S3DGenerate(model, adapter_for("llama", tmp_path), DRAFT, pack=True)
    assert torch.equal(model.generate(**prompt(), custom_generate=s3d, **GREEDY), expected)
    assert torch.equal(model.generate(**prompt(), **GREEDY), expected)


def test_a_streamer_gets_the_prompt_and_every_token_once_and_is_ended(model, s3d):
    plain, ours = Noted(), Noted()
    model.generate(**prompt(), streamer=plain, **GREEDY)
    out = model.generate(**prompt(), streamer=ours, custom_generate=s3d, **GREEDY)
    assert ours.ids == plain.ids == out[0].tolist()
    assert ours.ended


def test_a_text_iterator_streams_from_another_thread(model, s3d):
    streamer = TextIteratorStreamer(word_tokenizer(), skip_prompt=True, timeout=60)
    out = []
    thread = threading.Thread(
        target=lambda: out.append(model.generate(**prompt(), streamer=streamer, custom_generate=s3d, **GREEDY))
    )
    thread.start()
    text = "".join(streamer)
    thread.join()
    assert text == word_tokenizer().decode(out[0][0, len(PROMPT) :])


def test_stopping_criteria_are_asked_for_every_token_and_obeyed_in_the_middle_of_a_draft(model, s3d):
    class AtLength(StoppingCriteria):
        def __init__(self, most):
            self.most, self.seen = most, []

        def __call__(self, input_ids, scores, **kwargs):
            self.seen.append(input_ids.shape[1])
            return torch.full((1,), input_ids.shape[1] >= self.most)

    whole = model.generate(**prompt(), **GREEDY)
    for most in range(len(PROMPT) + 1, len(PROMPT) + 8):
        criterion = AtLength(most)
        out = model.generate(**prompt(), custom_generate=s3d, stopping_criteria=[criterion], **GREEDY)
        assert torch.equal(out, whole[:, :most])
        assert criterion.seen == list(range(len(PROMPT) + 1, most + 1))
    assert torch.equal(model.generate(**prompt(), custom_generate=s3d, **GREEDY), whole)


def test_end_tokens_and_lengths_come_from_the_generation_config(model, s3d):
    whole = model.generate(**prompt(), **GREEDY)[0, len(PROMPT) :].tolist()
    for config in (
        GenerationConfig(do_sample=False, max_new_tokens=5, eos_token_id=2, pad_token_id=0),
        GenerationConfig(do_sample=False, max_length=20, eos_token_id=2, pad_token_id=0),
        GenerationConfig(do_sample=False, max_new_tokens=24, eos_token_id=[2, whole[9]], pad_token_id=0),
        GenerationConfig(do_sample=False, max_new_tokens=1, eos_token_id=None, pad_token_id=0),
    ):
        expected = model.generate(**prompt(), generation_config=config)
        assert torch.equal(model.generate(**prompt(), generation_config=config, custom_generate=s3d), expected)


@pytest.mark.parametrize(
    "options",
    [
        {"repetition_penalty": 1.4},
        {"no_repeat_ngram_size": 2},
        {"bad_words_ids": [[40], [41]]},
        {"min_new_tokens": 20},
        {"suppress_tokens": [9, 11]},
    ],
    ids=lambda options: next(iter(options)),
)
def test_logits_processors_change_the_text_as_they_do_without_it(model, s3d, options):
    expected = model.generate(**prompt(), **GREEDY, **options)
    assert torch.equal(model.generate(**prompt(), custom_generate=s3d, **GREEDY, **options), expected)


def test_a_processor_of_the_users_sees_every_prefix_once_and_in_order(model, s3d):
    class Counting(LogitsProcessor):
        def __init__(self):
            self.prefixes = []

        def __call__(self, input_ids, scores):
            self.prefixes.append(input_ids[0].tolist())
            scores[:, len(self.prefixes) % VOCABULARY] += 3.0
            return scores

    plain, ours = Counting(), Counting()
    expected = model.generate(**prompt(), logits_processor=[plain], **GREEDY)
    out = model.generate(**prompt(), logits_processor=[ours], custom_generate=s3d, **GREEDY)
    assert torch.equal(out, expected)
    assert ours.prefixes[: len(plain.prefixes)] == plain.prefixes


SAMPLED = {"do_sample": True, "temperature": 0.8, "top_k": 20, "top_p": 0.9, "min_p": 0.02, "repetition_penalty": 1.2}


def test_sampling_settings_are_those_of_the_engine_and_the_seed_fixes_the_text(model, s3d):
    ours = [
        model.generate(**prompt(), custom_generate=s3d, seed=seed, **(GREEDY | SAMPLED))[0, len(PROMPT) :].tolist()
        for seed in (3, 3, 4)
    ]
    assert ours[0] == ours[1] != ours[2]
    sampling = SamplingSettings(0.8, 20, 0.9, 0.02, 1.2, seed=3, max_tokens=24)
    written = []
    for done in _engine_without_text(s3d).generate(PROMPT, DraftSettings("plain"), sampling):
        written += done.ids
        if 2 in done.ids:
            break
    assert written[: len(ours[0])] == ours[0]


def _engine_without_text(s3d):
    engine = s3d._engine
    engine.tokenizer = word_tokenizer()
    return engine


def test_without_a_seed_torch_s_own_fixes_the_text(model, s3d):
    def sampled():
        return model.generate(**prompt(), custom_generate=s3d, **(GREEDY | SAMPLED)).tolist()

    torch.manual_seed(1)
    first = sampled()
    torch.manual_seed(1)
    assert sampled() == first
    assert sampled() != first


def test_a_dict_is_returned_where_one_is_asked_for(model, s3d):
    out = model.generate(**prompt(), custom_generate=s3d, return_dict_in_generate=True, **GREEDY)
    assert isinstance(out, GenerateDecoderOnlyOutput)
    assert torch.equal(out.sequences, model.generate(**prompt(), **GREEDY))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"num_beams": 2}, "one sequence"),
        ({"num_return_sequences": 2, "do_sample": True}, "one sequence"),
        ({"input_ids": torch.tensor([PROMPT, PROMPT])}, "one prompt at a time, not 2"),
        ({"attention_mask": torch.tensor([[0] + [1] * 7])}, "padding"),
        ({"prompt_lookup_num_tokens": 3}, "prompt lookup"),
        ({"output_scores": True, "return_dict_in_generate": True}, "scores"),
        ({"position_ids": torch.arange(1, 9)[None]}, "positions from 0"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_cannot_be_had_is_refused_in_one_sentence(model, s3d, options, words):
    inputs = prompt() | {k: v for k, v in options.items() if isinstance(v, torch.Tensor)}
    if inputs["input_ids"].shape != inputs["attention_mask"].shape:
        inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
    rest = {k: v for k, v in options.items() if not isinstance(v, torch.Tensor)}
    with pytest.raises(SettingError, match=words):
        model.generate(**inputs, custom_generate=s3d, **(GREEDY | rest))


def test_an_assistant_and_another_model_are_refused(model, s3d):
    with pytest.raises(SettingError, match="leave out assistant_model"):
        model.generate(**prompt(), custom_generate=s3d, assistant_model=build("llama", seed=1), **GREEDY)
    with pytest.raises(SettingError, match="another model"):
        build("llama", seed=1).generate(**prompt(), custom_generate=s3d, **GREEDY)
    past = model(torch.tensor([PROMPT[:4]]), use_cache=True).past_key_values
    with pytest.raises(SettingError, match="past_key_values"):
        model.generate(**prompt(), custom_generate=s3d, past_key_values=past, **GREEDY)


def test_wrapped_layers_and_missing_adapters_are_refused(folder):
    model = build("llama")
    with pytest.raises(SettingError, match="No draft adapter"):
        S3DGenerate(model, None, DRAFT)
    model.model.layers[1].mlp.up_proj = torch.nn.Sequential(model.model.layers[1].mlp.up_proj)
    with pytest.raises(ModelError, match="Sequential, not a plain linear layer"):
        S3DGenerate(model, folder, DRAFT)


def test_the_default_model_writes_the_same_with_its_shipped_adapter(default_model):
    model = stock_model(default_model, torch.float32, torch.device("cpu"))
    model.generation_config = GenerationConfig()
    draft = DraftSettings("s3d", skipped=12, draft_length=4, tree_size=8)
    s3d = S3DGenerate(model, draft=draft)
    assert s3d.draft == draft
    tokenizer = AutoTokenizer.from_pretrained(unpacked(default_model, torch.float32, lambda phase, share: None))
    inputs = tokenizer("The three primary colours are", return_tensors="pt")
    options = {"do_sample": False, "max_new_tokens": 24, "eos_token_id": 2, "pad_token_id": 0}
    whole = model.generate(**inputs, **options)
    assert torch.equal(model.generate(**inputs, custom_generate=s3d, **options), whole)
    # A stop string, in the middle of a word and of a draft.
    word = tokenizer.decode(whole[0, inputs["input_ids"].shape[1] :])[12:16]
    criteria = [StopStringCriteria(tokenizer, [word])]
    expected = model.generate(**inputs, stopping_criteria=criteria, **options)
    assert expected.shape[1] < whole.shape[1]
    assert torch.equal(model.generate(**inputs, stopping_criteria=criteria, custom_generate=s3d, **options), expected)
