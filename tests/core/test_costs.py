"""Costs of shapes in between, and how they follow what rounds really take."""

import math
import time

import pytest

from s3d_core.costs import Costs


def test_shapes_in_between_are_interpolated_and_wider_ones_go_on_likewise():
    costs = Costs(verify={1: 10.0, 9: 18.0, 17: 34.0}, draft={6: 8.0, 12: 5.0})
    verify = costs.verify(25)
    assert verify[0] == 0
    assert verify[1] == 10
    assert verify[5] == 14
    assert verify[13] == 26
    assert verify[25] == 50
    assert costs.draft(9) == 6.5
    assert costs.draft(0) == 8
    assert costs.draft(30) == 5


def test_what_was_never_measured_is_not_chosen():
    costs = Costs()
    assert not costs.known
    assert costs.draft(12) == math.inf


def test_measuring_takes_the_fastest_run_behind_the_first():
    costs, waits = Costs(), iter([0.03, 0.02, 0.02, 0.004, 0.02, 0.02])
    costs.measure_verify(1, lambda: time.sleep(next(waits)))
    assert costs.known
    assert 4 <= costs.verify(1)[1] < 20


def test_where_the_second_run_records_the_pass_neither_of_the_two_counts():
    costs, waits = Costs(first_runs=2), iter([0.03, 0.3, *[0.01] * 5])
    costs.measure_verify(1, lambda: time.sleep(next(waits)))
    assert 10 <= costs.verify(1)[1] < 30


def test_a_pass_of_a_large_model_is_timed_once():
    runs = []
    Costs().measure_draft(12, lambda: runs.append(time.sleep(0.25)))
    assert len(runs) == 2


def test_a_slower_machine_is_followed_for_every_shape_and_one_pause_is_not():
    costs = Costs(verify={1: 10.0, 9: 18.0}, draft={12: 5.0})
    costs.saw_verify(1, 1000.0)
    assert costs.verify(1)[1] < 11
    costs = Costs(verify={1: 10.0, 9: 18.0}, draft={12: 5.0})
    for _ in range(100):
        costs.saw_verify(9, 27.0)
    assert costs.verify(9)[9] == pytest.approx(27, rel=0.02)
    # Mostly the whole machine is slower.
    assert costs.verify(1)[1] == pytest.approx(15, rel=0.12)
    assert costs.draft(12) == pytest.approx(7.5, rel=0.12)
    for _ in range(100):
        costs.saw_draft(12, 5.0)
    assert costs.draft(12) == pytest.approx(5, rel=0.02)
    assert costs.verify(9)[9] == pytest.approx(27, rel=0.02)


def test_a_pass_that_was_measured_wrongly_is_soon_known_better_and_others_are_not_blamed():
    costs = Costs(verify={1: 10.0, 2: 11.0, 9: 18.0})
    for _ in range(60):
        for _ in range(5):
            costs.saw_verify(1, 10.0)
        costs.saw_verify(2, 14.0)
    assert costs.verify(1)[1] == pytest.approx(10, rel=0.05)
    assert costs.verify(2)[2] == pytest.approx(14, rel=0.05)
    assert costs.verify(9)[9] == pytest.approx(18, rel=0.05)
