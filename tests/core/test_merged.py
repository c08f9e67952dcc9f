"""Drafts by copies of the layers: what they are, that the text stays the stock model's, and what they hold."""

from dataclasses import replace

import pytest
import torch
from core.models import build, engine_for, random_adapter
from core.test_compiled_layers import run_pass

from s3d_core.adapter import CARD, WEIGHTS, Adapter
from s3d_core.bench.traffic import Traffic
from s3d_core.kernels import jit
from s3d_core.layer import LINEARS, as_tensor, stored
from s3d_core.settings import DraftSettings, SamplingSettings
from s3d_core.target import Target

pytestmark = pytest.mark.skipif(not jit.dots_int8(), reason="needs AVX2 on Linux")

NAMES = pytest.mark.parametrize("name", ["llama", "phi4 mini", "qwen3"])


def packed_target(name="llama", dtype=torch.float32):
    target = Target(build(name, even=True).to(dtype))
    assert target.pack()
    return target


def test_a_copy_is_the_layer_and_its_update_but_for_half_a_step():
    target = packed_target()
    adapter = random_adapter(target)
    del adapter.updates[1]
    copies = adapter.fit(target).merged
    for i in (0, 1):
        for name in LINEARS:
            wanted = as_tensor(getattr(target.layers[i], name))
            if i == 0:
                a, b = adapter.updates[i][name]
                wanted = wanted + b @ a
            groups = wanted.unflatten(1, (-1, 32))
            step = (groups.amax(2) - groups.amin(2)) / 15
            off = (as_tensor(getattr(copies.layer(i), name)) - wanted).abs().unflatten(1, (-1, 32)).amax(2)
            # Half a step, and what half precision leaves of the least value and of 15 steps.
            assert (off <= 0.5 * step + groups.abs().amax(2) / 512).all()
        assert copies.layer(i).attention_norm is target.layers[i].attention_norm


@NAMES
def test_a_draft_pass_on_copies_is_that_of_their_weights(name):
    torch.set_num_threads(2)
    target = packed_target(name)
    adapter = random_adapter(target)
    fitted, kept = adapter.fit(target), target.kept_layers(2)
    stock = Target(build(name, even=True))
    for i in kept:
        for linear in LINEARS:
            setattr(stock.layers[i], linear, as_tensor(getattr(fitted.merged.layer(i), linear)))
    for rows in (1, 4, 9):
        got, kv = run_pass(target, 30, rows, fitted.drafting, kept)
        expected, expected_kv = run_pass(stock, 30, rows, None, kept)
        # Rows are rounded to eight bits.
        assert (got - expected).std() < 0.1 * expected.std()
        assert (kv - expected_kv).std() < 0.1 * expected_kv.std()
        # And the stock layers run as ever, before and after.
        plain = run_pass(Target(build(name, even=True)), 30, rows)[0]
        torch.testing.assert_close(run_pass(target, 30, rows)[0], plain, atol=2e-4, rtol=2e-4)


@NAMES
@pytest.mark.parametrize("temperature", [0.0, 0.8])
def test_the_text_is_that_of_plain_decoding_at_every_number_of_skipped_layers(name, temperature):
    engine = engine_for(build(name, even=True), packed=True)
    sampling = SamplingSettings(temperature=temperature, seed=5, max_tokens=48)

    def text(draft):
        return [token for done in engine.generate([7, 9, 11, 13, 5], draft, sampling) for token in done.ids]

    plain = text(DraftSettings("plain"))
    held = []
    for skipped in (4, 2, 0, 3):
        assert text(DraftSettings("s3d", skipped, 4, 16)) == plain
        held.append(engine.adapter.merged.bytes)
    assert text(DraftSettings("auto")) == plain
    # Layers are copied when they are first kept, and once.
    assert held[0] <= held[1] < held[2] == held[3]


def test_a_draft_with_good_copies_is_accepted():
    """An update of nothing and no layer skipped: the copies must say what the stock model says, but for rounding."""

    def nothing(target, slots):
        return Adapter.fresh(target, slots=slots, rank=4, layers=tuple(range(target.depth)))

    engine = engine_for(build("llama", even=True), packed=True, draft=nothing)
    found = list(engine.generate([7, 9, 11, 13, 5], DraftSettings("s3d", 0, 1, 1), SamplingSettings(max_tokens=64)))
    drafted, accepted = sum(r.drafted for r in found), sum(r.accepted for r in found)
    # Of 96 tokens chance hits a hundredth; of random weights rounding tips many a near tie.
    assert accepted > 0.2 * drafted > 0


def test_drafting_holds_the_copies_and_no_update_beside_them():
    engine = engine_for(build("llama", even=True), packed=True)
    adapter, target = engine.adapter, engine.target
    kept = target.kept_layers(engine.info.defaults.skipped)
    copies = sum(stored(getattr(adapter.merged.layer(i), name)) for i in kept for name in LINEARS)
    assert adapter.merged.bytes == copies == sum(map(adapter.merged.bytes_read, kept))
    rest = adapter.masks, adapter.norm, adapter.parent, adapter.gate, adapter.child, adapter.vocabulary
    assert adapter.bytes == copies + sum(tensor.nbytes for tensor in rest)
    assert engine.info.adapter_bytes == sum(engine.drafting_memory().values())


def test_a_rounds_traffic_is_that_of_the_copies():
    engine = engine_for(build("llama", even=True), packed=True)
    traffic, target = Traffic(engine), engine.target
    done = next(engine.generate([7, 9, 11], DraftSettings("s3d", 2, 4, 8), SamplingSettings(max_tokens=8)))
    copies = sum(map(engine.adapter.merged.bytes_read, target.kept_layers(2)))
    assert traffic.of(done) == traffic.plain + copies + stored(target.head)


@pytest.mark.parametrize("how", ["bfloat16", "unpacked", "uneven", "no dot products"])
def test_where_copies_do_not_suit_the_updates_stay_beside_the_layers(how, monkeypatch):
    target = Target(build("llama", even=how != "uneven").to(torch.bfloat16 if how == "bfloat16" else torch.float32))
    adapter = random_adapter(target)
    if how != "unpacked":
        assert target.pack()
    if how == "no dot products":
        monkeypatch.setattr(jit, "dots_int8", lambda: False)
    fitted = adapter.fit(target)
    assert fitted.merged is None
    assert fitted.drafting is fitted.updates
    assert fitted.bytes > sum(
        stored(half) for update in fitted.updates.values() for pair in update.values() for half in pair
    )


def test_a_file_that_is_replaced_or_removed_meanwhile_is_still_copied_from(tmp_path):
    target = packed_target()
    made = replace(random_adapter(target), card={"base_model": "test", "fingerprint": target.fingerprint()})
    made.save(tmp_path, torch.float32)
    loaded, other = Adapter.load(tmp_path, target), Adapter.load(tmp_path, target)
    random_adapter(target, seed=1).save(tmp_path)
    (tmp_path / WEIGHTS).unlink()
    (tmp_path / CARD).unlink()
    wanted = made.fit(target).merged.layer(0)
    for copies in (loaded.merged, other.merged):
        assert all(torch.equal(getattr(copies.layer(0), n).blocks, getattr(wanted, n).blocks) for n in LINEARS)


def test_auto_skips_as_many_layers_as_keep_the_copies_within_their_share():
    def engine_with(counts):
        def draft(target, slots):
            return replace(random_adapter(target, slots), card={"accepted_by_skipped": counts})

        return engine_for(build("llama", even=True), packed=True, draft=draft)

    # Two copies of six layers are a twentieth of the model, four a tenth, and the adapter's rest comes on top.
    engine = engine_with({"0": 1.9, "2": 1.5, "4": 1.0})
    assert [engine.strategies["s3d"].affords(skipped) for skipped in (4, 2, 0)] == [True, False, False]
    assert engine.strategies["auto"].policy.gains == {4: 1.0}
    assert engine.info.defaults.skipped == 4
    assert engine.info.adapter_bytes <= engine.info.weight_bytes / 10
    # But never is there nothing to choose.
    assert engine_with({"0": 1.9, "1": 1.7}).strategies["auto"].policy.gains == {1: 1.7}
