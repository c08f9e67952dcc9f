"""Costs of shapes in between, and how they follow what rounds really take."""

import math
import time

import pytest

from s3d_core.costs import Costs, Shape
from s3d_core.row_costs import RowCosts


def test_shapes_in_between_are_interpolated_and_wider_ones_go_on_likewise():
    costs = Costs(verify={1: 10.0, 9: 18.0, 17: 34.0}, draft={6: 8.0, 12: 5.0})
    verify = costs.passes
    assert verify[0] == 0
    assert verify[1] == 10
    assert verify[5] == 14
    assert verify[13] == 26
    assert verify[25] == 50
    assert costs.draft(9) == pytest.approx(6.5)
    assert costs.draft(0) == pytest.approx(8)
    assert costs.draft(30) == pytest.approx(5)


def test_a_draft_that_was_timed_in_a_lucky_moment_is_not_the_cheapest():
    """Of three counts the one with the most layers skipped had come out a tenth too fast, and was taken throughout."""
    costs = Costs(verify={1: 31.0}, draft={6: 20.8, 12: 17.2, 18: 11.9})
    assert [costs.draft(n) for n in (6, 12, 18)] == pytest.approx([21.1, 16.6, 12.2], abs=0.1)
    assert costs.draft(9) == pytest.approx((costs.draft(6) + costs.draft(12)) / 2)


def test_what_was_never_measured_is_not_chosen():
    costs = Costs()
    assert not costs.known
    assert costs.draft(12) == math.inf


def sleeping(*waits):
    """A pass that takes so many seconds from run to run."""
    waits = iter(waits)
    return lambda: time.sleep(next(waits))


def test_one_lucky_run_does_not_make_many_rows_look_dear():
    """A plain step waits for memory, and the luckiest of five was kept; nine rows compute, and are never lucky. They
    seemed to cost 1.67 plain steps instead of 1.33, and Auto drafted too seldom."""
    costs = Costs()
    costs.measure([Shape("verify", 1, sleeping(0.001, 0.04, 0.01, 0.04, 0.04, 0.04))], 1, 60)
    assert costs.known
    assert costs.verify(1) >= 40


def test_one_pause_while_measuring_does_not_count():
    costs = Costs()
    costs.measure([Shape("verify", 1, sleeping(0.001, 0.2, 0.01, 0.01, 0.2, 0.01))], 1, 60)
    assert 10 <= costs.verify(1) < 100
    # Of two runs, as many as there may be time for, one may be it.
    costs = Costs()
    costs.measure([Shape("verify", 1, sleeping(0.001, 0.01, 0.5))], 1, 0.1)
    assert 10 <= costs.verify(1) < 100


def test_where_the_second_run_records_the_pass_neither_of_the_two_counts():
    costs = Costs(first_runs=2)
    costs.measure([Shape("verify", 1, sleeping(0.001, 0.001, *[0.01] * 5))], 1, 60)
    assert 10 <= costs.verify(1) < 30


def test_a_slow_second_is_one_for_every_shape():
    """Timed one after the other, the shape whose turn it was then was taken for a dear one."""
    ran = []
    shapes = [Shape("verify", 1, lambda: ran.append("v1")), Shape("draft", 12, lambda: ran.append("d12"))]
    Costs().measure(shapes, 2, 60)
    assert ran == ["v1", "v1", "d12", "d12"] + ["v1", "d12"] * 4


def test_what_a_large_model_takes_long_for_is_timed_once_and_only_what_is_needed():
    ran = []
    shapes = [Shape("verify", rows, lambda rows=rows: ran.append(rows)) for rows in (1, 9, 17)]
    Costs().measure(shapes, 2, 0)
    assert ran == [1, 1, 9, 9]


def test_what_drafts_take_is_learned_anew_after_a_while_without():
    """One try said in vain that drafts had become cheap, and a hundred more were needed to believe it."""
    costs = Costs(verify={1: 10.0}, draft={12: 9.0})
    for _ in range(100):
        costs.saw_no_draft()
    costs.saw_draft(12, 6.0)
    costs.saw_draft(12, 6.0)
    assert costs.draft(12) == pytest.approx(6, rel=0.15)
    steady = Costs(verify={1: 10.0}, draft={12: 6.0})
    for _ in range(30):
        steady.saw_draft(12, 6.0)
    steady.saw_draft(12, 12.0)
    assert steady.draft(12) == pytest.approx(6, rel=0.08)


def test_a_slower_machine_is_followed_for_every_shape_and_one_pause_is_not():
    costs = Costs(verify={1: 10.0, 9: 18.0}, draft={12: 5.0})
    costs.saw_verify(1, 1000.0)
    assert costs.verify(1) < 11
    costs = Costs(verify={1: 10.0, 9: 18.0}, draft={12: 5.0})
    for _ in range(100):
        costs.saw_verify(9, 27.0)
    assert costs.verify(9) == pytest.approx(27, rel=0.02)
    # Mostly the whole machine is slower.
    assert costs.verify(1) == pytest.approx(15, rel=0.12)
    assert costs.draft(12) == pytest.approx(7.5, rel=0.12)
    for _ in range(100):
        costs.saw_draft(12, 5.0)
    assert costs.draft(12) == pytest.approx(5, rel=0.02)
    assert costs.verify(9) == pytest.approx(27, rel=0.02)


def test_a_pass_that_was_measured_wrongly_is_soon_known_better_and_others_are_not_blamed():
    costs = Costs(verify={1: 10.0, 2: 11.0, 9: 18.0})
    for _ in range(60):
        for _ in range(5):
            costs.saw_verify(1, 10.0)
        costs.saw_verify(2, 14.0)
    assert costs.verify(1) == pytest.approx(10, rel=0.05)
    assert costs.verify(2) == pytest.approx(14, rel=0.05)
    assert costs.verify(9) == pytest.approx(18, rel=0.05)


def test_what_many_rows_take_behind_a_plain_step_is_put_down_to_the_rows():
    """Rows cost more behind a long text; copies went on being cut as if they did not."""
    costs = Costs(verify={1: 10.0, 6: 11.0, 9: 14.0})
    for _ in range(12):
        costs.saw_verify(1, 12.0)
        costs.saw_verify(6, 16.0)
    assert costs.verify(1) == pytest.approx(12, rel=0.06)
    assert costs.verify(6) == pytest.approx(16, rel=0.06)
    assert costs.verify(9) == pytest.approx(14 * 1.2, rel=0.06)


def test_rows_that_were_measured_too_dear_to_be_verified_are_known_better_by_their_neighbours():
    """Trees were cut to eight rows, as nine seemed dear; so nine were never seen, and went on seeming so."""
    costs = Costs(verify={1: 20.0, 6: 33.0, 8: 34.0, 9: 41.0, 12: 42.0}, draft={})
    for _ in range(60):
        costs.saw_verify(1, 20.0)
        for rows in (5, 6, 7, 8):
            costs.saw_verify(rows, 25.0)
    assert costs.verify(1) == pytest.approx(20, rel=0.05)
    assert costs.verify(8) == pytest.approx(25, rel=0.05)
    assert costs.verify(9) < 34


def test_rows_that_were_timed_in_an_unlucky_moment_are_known_better_by_those_on_both_sides():
    """Nine rows had looked two milliseconds too dear; trees were cut to eight or left at ten, and it stayed so."""
    costs = Costs(verify={1: 20.0, 6: 26.0, 9: 31.0, 12: 31.0, 18: 35.0})
    for _ in range(20):
        costs.saw_verify(1, 20.0)
        for rows, ms in ((6, 26.0), (8, 27.8), (10, 29.4), (12, 31.0)):
            costs.saw_verify(rows, ms)
    assert costs.verify(9) == pytest.approx(28.6, rel=0.025)
    assert costs.verify(18) == pytest.approx(35, rel=0.03)


def test_what_rows_take_is_learned_in_a_few_rounds_of_drafts_alone():
    """Twelve rows were measured a fifth too dear; it took hundreds of rounds without a plain step to know better."""
    costs = Costs(verify={1: 20.0, 6: 26.0, 9: 28.0, 12: 36.0, 18: 40.0})
    for _ in range(15):
        costs.saw_verify(8, 27.3)
        costs.saw_verify(12, 30.0)
    assert costs.verify(12) / costs.verify(8) == pytest.approx(30 / 27.3, rel=0.05)
    assert costs.verify(1) == pytest.approx(20, rel=0.1)


def test_drafts_that_take_long_now_and_then_are_as_dear_as_on_average():
    """What they take was learned by factors, and came out a tenth too cheap where the search waits for memory."""
    costs = Costs(verify={1: 10.0}, draft={12: 8.0})
    told = []
    for number in range(300):
        costs.saw_draft(12, 14.0 if number % 3 == 0 else 8.0)
        told.append(costs.draft(12))
    assert sum(told[60:]) / 240 == pytest.approx(10, rel=0.03)


def test_later_passes_are_learned_from_together_and_none_is_left_out():
    """Learning from each took a twentieth of a pass in four bits: nothing of it is in the processor's caches then."""
    rows = RowCosts({1: 10.0, 6: 16.0})
    for _ in range(100):
        rows.saw(1, 12.0)
        rows.saw(6, 20.0)
    held = rows.passes
    for number in range(7):
        rows.saw(6, 30.0)
        assert rows.passes is held, number
    rows.saw(6, 30.0)
    together = rows.now(6)
    assert together > 1.1 * 20
    again = RowCosts({1: 10.0, 6: 16.0}, together=1)
    for _ in range(100):
        again.saw(1, 12.0)
        again.saw(6, 20.0)
    for _ in range(8):
        again.saw(6, 30.0)
    assert together == pytest.approx(again.now(6), rel=1e-9)
