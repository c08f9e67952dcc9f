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


@pytest.fixture
def held():
    """A cache of three blocks and 256 slots, and what it holds."""
    cache = Cache(20, 2, 4, torch.float32, torch.device("cpu"))
    cache.reserve(256)
    cache.ids = list(range(200))
    for i, t in enumerate([*cache.keys, *cache.values]):
        t.copy_(torch.arange(t.numel()).view_as(t) + i)
    return cache, content(cache)


def content(cache) -> list[torch.Tensor]:
    return [t[:, :256].clone() for t in [*cache.keys, *cache.values]]


def memory_ends(cache, monkeypatch, slots: int, after: int = 0) -> None:
    """Make every allocation of more than `slots` fail, but for the first `after` of them."""
    real, calls = cache._new, []

    def short(shape, **options):
        if shape[3] > slots:
            calls.append(1)
            if len(calls) > after:
                raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes.")
        return real(shape, **options)

    monkeypatch.setattr(cache, "_new", short)


@pytest.mark.parametrize("blocks_that_fit", [0, 1, 2])
def test_where_memory_is_short_the_cache_grows_by_little_and_keeps_what_it_holds(held, monkeypatch, blocks_that_fit):
    cache, before = held
    memory_ends(cache, monkeypatch, 304, blocks_that_fit)
    cache.reserve(260)
    assert 260 <= cache.capacity <= 304  # in whole vectors of slots
    assert {t.shape[1] for t in [*cache.keys, *cache.values]} == {cache.capacity}
    assert all(map(torch.equal, content(cache), before))
    with pytest.raises(RuntimeError, match="allocate"):
        cache.reserve(305)
    assert all(map(torch.equal, content(cache), before))
    assert len(cache) == 200


def test_a_cache_whose_layers_could_not_all_grow_is_empty_but_whole(held, monkeypatch):
    cache, _ = held
    with monkeypatch.context() as patch:
        memory_ends(cache, patch, 257, after=1)
        with pytest.raises(RuntimeError, match="allocate"):
            cache.reserve(600)
    assert len(cache) == cache.capacity == 0
    cache.reserve(600)
    assert {t.shape[1] for t in [*cache.keys, *cache.values]} == {608}


def test_growing_never_holds_more_than_one_block_twice(held, monkeypatch):
    cache, _ = held
    most, real = [], cache._new

    def counted(shape, **options):
        new = real(shape, **options)
        most.append(cache.bytes + new.numel() * new.element_size())
        return new

    monkeypatch.setattr(cache, "_new", counted)
    cache.reserve(512)
    assert max(most) <= cache.bytes * 1.25
