"""The clock of a round. No GPU is needed: events that behave as CUDA's stand in for them."""

import time

import pytest
import torch

from s3d_core.transfer import Clock


class Event:
    """A moment of a GPU, which has passed it when it was waited for, and cannot be read before.

    Attributes:
        now: milliseconds on the GPU's own clock, one for all.
    """

    now = 0.0

    def __init__(self, enable_timing):
        assert enable_timing
        self.passed = False

    def record(self, stream):
        assert stream == "of cuda:1"
        self.at = Event.now
        EVENTS.append(self)

    def elapsed_time(self, later):
        if not (self.passed and later.passed):
            raise RuntimeError("Both events must be completed before calculating elapsed time.")
        return later.at - self.at


EVENTS: list[Event] = []


@pytest.fixture
def gpu(monkeypatch):
    EVENTS.clear()
    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: f"of {device}")
    return torch.device("cuda:1")


def test_a_gpu_is_never_asked_for_a_moment_that_it_may_not_have_come_to(gpu):
    clock = Clock(gpu)
    Event.now += 4
    clock.mark()
    time.sleep(0.02)
    for event in EVENTS:
        event.passed = True  # the round's one copy to the host was waited for
    clock.mark()
    # What follows puts rows of the cache in place, which the GPU does in its own time.
    time.sleep(0.005)
    clock.mark()
    draft, verify, rest = clock.ms()
    assert draft == 4
    assert 16 <= verify < 1000
    assert 5 <= rest < 1000


def test_without_a_gpu_the_moments_are_the_hosts():
    clock = Clock(torch.device("cpu"))
    for seconds in (0.002, 0.02, 0.01):
        time.sleep(seconds)
        clock.mark()
    draft, verify, rest = clock.ms()
    assert draft < verify
    assert rest >= 10
