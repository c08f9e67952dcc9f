"""How long a fuzzer goes on: some seconds in the suite, longer by `S3D_FUZZ_SECONDS=600 pytest tests/fuzz`.

    @fuzz(st.text())
    def test_any_text_is_shown(text): ...

Within the suite a fixed number of examples is tried, always the same ones, so that a change that breaks nothing
fails nothing. With a time given, new ones are tried until it is over; what fails is kept in `.hypothesis`, made small,
and tried first the next time.
"""

import functools
import os
import time
from collections.abc import Callable

from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import SearchStrategy

SECONDS = float(os.environ.get("S3D_FUZZ_SECONDS", "0"))
_QUIET = (HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large)
_AT_ONCE = 100


def fuzz(*strategies: SearchStrategy, examples: int = 60) -> Callable:
    """Runs a test on values of `strategies`, its last parameters, as long as this run of the suite allows."""

    def decorate(test: Callable) -> Callable:
        long = SECONDS > 0
        many = settings(
            max_examples=_AT_ONCE if long else examples,
            deadline=None,
            derandomize=not long,
            database=settings.default.database if long else None,
            suppress_health_check=_QUIET,
            print_blob=True,
        )
        tried = 0

        @functools.wraps(test)
        def counted(*arguments, **named):
            nonlocal tried
            tried += 1
            test(*arguments, **named)

        once = many(given(*strategies)(counted))
        if not long:
            return once

        @functools.wraps(once)
        def again_and_again(*arguments, **named):
            end = time.monotonic() + SECONDS
            while time.monotonic() < end:
                once(*arguments, **named)
            print(f"\n{test.__name__}: {tried:,} examples in {SECONDS:.0f} s, no finding")

        return again_and_again

    return decorate
