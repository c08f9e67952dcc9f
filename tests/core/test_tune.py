"""The guard turns drafting off only when it has been slower for long enough."""

from dataclasses import replace

from s3d_core.settings import DraftSettings
from s3d_core.stats import Round
from s3d_core.tune import Guard

DRAFTING = DraftSettings()
PLAIN_MS = 10.0


def a_round(tokens: int, ms: float, settings: DraftSettings = DRAFTING) -> Round:
    drafted = 0 if settings.strategy == "plain" else 4
    return Round(tuple(range(tokens)), (), drafted, tokens - 1, drafted, 0, ms / 2, ms / 2, ms, 100, settings)


def feed(guard: Guard, tokens: int, ms: float, count: int, settings: DraftSettings = DRAFTING) -> int | None:
    """Rounds until the guard trips, or None."""
    for number in range(1, count + 1):
        guard.settings(settings)
        if guard.add(a_round(tokens, ms, settings), PLAIN_MS):
            return number
    return None


def test_trips_after_24_slow_rounds_behind_the_warm_up():
    guard = Guard()
    assert feed(guard, 1, 15.0, 100) == 24 + Guard.warm_up
    assert guard.settings(DRAFTING) == replace(DRAFTING, strategy="plain")


def test_never_trips_while_drafting_is_faster():
    assert feed(Guard(), 3, 15.0, 500) is None


def test_one_pause_of_the_machine_does_not_trip_it():
    guard = Guard()
    feed(guard, 3, 15.0, 50)
    guard.add(a_round(3, 2000.0), PLAIN_MS)
    assert feed(guard, 3, 15.0, 100) is None


def test_slow_warm_up_rounds_are_not_counted():
    guard = Guard()
    feed(guard, 1, 3000.0, Guard.warm_up)
    assert feed(guard, 3, 15.0, 100) is None


def test_plain_rounds_and_an_unknown_plain_speed_count_nothing():
    guard = Guard()
    plain = replace(DRAFTING, strategy="plain")
    assert feed(guard, 1, 50.0, 100, plain) is None
    guard.settings(DRAFTING)
    assert not any(guard.add(a_round(1, 50.0), None) for _ in range(100))


def test_moving_a_slider_gives_drafting_another_try():
    guard = Guard()
    feed(guard, 1, 15.0, 100)
    moved = replace(DRAFTING, skipped=4)
    assert guard.settings(moved) == moved
    assert not guard.tripped
    assert feed(guard, 1, 15.0, 100, moved) == 24 + Guard.warm_up
