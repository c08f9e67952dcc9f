"""Where the tests run in several processes, those marked `alone` have the machine to themselves all the same.

They hold a program to a time that its users would feel; beside another test they would measure that one.
"""

import contextlib
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from types import ModuleType

import pytest

fcntl: ModuleType | None
if sys.platform == "win32":  # where the tests run in one process
    fcntl = None
else:
    import fcntl


@contextlib.contextmanager
def _locked(file: Path, alone: bool) -> Iterator[None]:
    """The file's lock, with all who take it together or without anybody. It is for this checkout's tests."""
    assert fcntl
    with file.open() as opened:
        fcntl.flock(opened, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        try:
            yield
        finally:
            fcntl.flock(opened, fcntl.LOCK_UN)  # said aloud: a child process that a test left would keep it else


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """A test begins when nobody runs alone; one that is alone begins when nobody runs."""
    if fcntl is None:
        return (yield)
    with contextlib.ExitStack() as floor:
        # One after the other through the door, so that who waits to be alone is not overtaken for ever.
        with _locked(Path(__file__), alone=True):
            floor.enter_context(
                _locked(Path(__file__).with_name("conftest.py"), alone=item.get_closest_marker("alone") is not None)
            )
        return (yield)
