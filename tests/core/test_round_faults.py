"""A fault at any point of a round: the next answer is what it would have been without the fault."""

import pytest
import torch
from core.models import build, engine_for

from s3d_core import decode
from s3d_core.cache import Cache
from s3d_core.sampling import Sampler
from s3d_core.settings import DraftSettings, SamplingSettings
from s3d_core.text import TextStream

PROMPT = [1, 7, 30, 12, 55, 9, 14]
S3D = DraftSettings("s3d", skipped=2, draft_length=3, tree_size=8)
SAMPLING = SamplingSettings(temperature=0.8, seed=5, max_tokens=24)


class InjectedError(RuntimeError):
    """The fault."""


@pytest.fixture(scope="module")
def engine():
    return engine_for(build("llama"))


@pytest.fixture(scope="module")
def expected():
    return written(engine_for(build("llama")))


def written(engine) -> list[int]:
    return [token for done in engine.generate(PROMPT, S3D, SAMPLING) for token in done.ids]


POINTS = {
    "prefill": (decode, "prefill"),
    "verify": (decode, "verify"),
    "accept": (decode, "accept"),
    "write": (Cache, "write"),
    "commit": (Cache, "commit"),
    "reserve": (Cache, "reserve"),
    "noise": (Sampler, "noise"),
    "draw": (Sampler, "draw"),
    "text": (TextStream, "push"),
}


@pytest.mark.parametrize("call", [1, 2, 7])
@pytest.mark.parametrize("point", [*POINTS, "propose", "learn"])
def test_an_answer_that_broke_off_anywhere_leaves_no_trace_in_the_next(engine, expected, monkeypatch, point, call):
    owner, name = POINTS.get(point, (type(engine.strategies["s3d"]), point))
    real, calls = getattr(owner, name), []

    def faulty(*given, **named):
        calls.append(1)
        if len(calls) == call:
            raise InjectedError
        return real(*given, **named)

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, faulty)
        engine.cache.rewind(0)
        try:
            written(engine)
        except InjectedError:
            pass
        else:
            assert len(calls) < call, "the fault was swallowed"
    assert written(engine) == expected


def test_where_memory_is_short_the_cache_grows_by_little_and_keeps_what_it_holds(monkeypatch):
    cache = Cache(2, 2, 4, torch.float32, torch.device("cpu"))
    cache.reserve(256)
    cache._all.copy_(torch.arange(cache._all.numel()).view_as(cache._all))
    before, grow = cache._all.clone(), Cache._grow

    def short(self, slots):
        if slots > 300:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes.")
        grow(self, slots)

    monkeypatch.setattr(Cache, "_grow", short)
    cache.reserve(260)
    assert 260 <= cache.capacity <= 304  # in whole vectors of slots
    assert torch.equal(cache._all[:, :, :, :256], before)
    with pytest.raises(RuntimeError, match="allocate"):
        cache.reserve(305)
    assert torch.equal(cache._all[:, :, :, :256], before)
