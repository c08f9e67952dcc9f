"""Whatever goes wrong on the way, a download ends complete and verified, or with one clear sentence.

200 schedules and 20 kills by `-m thorough`, fewer in the usual run. The hub counts what it sent.
"""

import contextlib
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest
from hub.fixtures import NAME
from hub.models import whole_repo
from hub.server import Fault
from hypothesis import HealthCheck, Phase, given, note, seed, settings
from hypothesis import strategies as st

from app.models import download, journal, library, places
from app.models.download import Download
from app.models.halt import HaltedError
from app.models.transfer import Patience
from app.models.wanted import parse
from s3d_core.errors import ModelError

SHARDS = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
PLACES = ("api", "config.json", "tokenizer.json", *SHARDS)
QUICK = Patience(tries=3, first_wait=0.001, longest_wait=0.01, longest_asked=1.0, silence=0.3)
RUNS = 12
SEED = random.SystemRandom().randrange(10**9)

statuses = st.builds(
    Fault,
    kind=st.just("status"),
    status=st.sampled_from([401, 403, 404, 408, 429, 500, 502, 503, 504]),
    retry_after=st.sampled_from([None, 0, 86_400]),
)
kinds = ["truncated", "truncated", "reset", "reset", "wrong", "drip", "drop", "stall", "rubbish"]
bodies = st.builds(Fault, kind=st.sampled_from(kinds), at=st.floats(0, 1))
# Where each fault waits; and after how many bytes of each run the user pauses, if at all.
schedules = st.tuples(
    st.lists(st.tuples(st.sampled_from(PLACES), st.one_of(bodies, bodies, statuses)), max_size=10),
    st.lists(st.one_of(st.none(), st.integers(0, 2_100_000)), max_size=4),
)


def run_once(pause_after: int | None) -> str:
    """One run; returns "done", "paused", or the sentence that ended it."""
    going = Download(parse(NAME), QUICK)

    def report(step) -> None:
        # No partial file is ever offered, at any moment.
        assert library.installed() == []
        if pause_after is not None and step.done >= pause_after:
            going.halt.set()

    try:
        going.run(report)
    except HaltedError:
        return "paused"
    except ModelError as error:
        return str(error)
    return "done"


def check_bytes(hub) -> None:
    """At most 5% more than the files hold, each counted for every time that it had to be fetched as a whole: a file
    that came with a wrong byte has no verified byte."""
    bodies = hub.repos[NAME].files
    needed = sum((1 + hub.spoiled[path]) * len(bodies[path]) for path, count in hub.sent.items() if count)
    assert sum(hub.sent.values()) <= 1.05 * needed


def survives(hub, schedule) -> None:
    faults, pauses = schedule
    hub.forget()
    shutil.rmtree(places.models_dir(), ignore_errors=True)
    for place, fault in faults:
        hub.faults[place].append(fault)
    ends = []
    for run in range(RUNS):
        ends.append(run_once(pauses[run] if run < len(pauses) else None))
        if ends[-1] == "done":
            break
        assert library.installed() == []
        if ends[-1] != "paused":
            assert "\n" not in ends[-1]
            assert ends[-1].endswith((".", NAME))
            assert "Error" not in ends[-1]
    note(f"ends: {ends}; sent: {dict(hub.sent)}")
    # Every schedule comes to an end, so trying again comes to the whole model.
    assert ends[-1] == "done", ends
    assert library.verify("Tiny-Chat").in_place is False
    assert journal.unfinished() == []
    check_bytes(hub)


def schedules_hold(hub, count: int) -> None:
    print(f"hypothesis seed: {SEED}")
    checks = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large]

    @seed(SEED)
    @settings(max_examples=count, deadline=None, suppress_health_check=checks, database=None, phases=[Phase.generate])
    @given(schedules)
    def hold(schedule):
        survives(hub, schedule)

    hold()


@pytest.fixture
def quick_hub(hub, monkeypatch):
    """The hub with a model of two megabytes, and downloads that look around at every chunk.

    What is under way when the user pauses counts as sent, so it comes no faster than it is taken in.
    """
    hub.repos[NAME] = whole_repo(size=2_000_000)
    hub.bytes_per_second = 20_000_000
    monkeypatch.setattr(download, "_TELL_SECONDS", 0.0)
    return hub


def test_any_faults_end_in_a_whole_model_or_one_sentence(quick_hub):
    schedules_hold(quick_hub, 25)


@pytest.mark.thorough
def test_200_schedules_of_faults_end_in_a_whole_model_or_one_sentence(quick_hub):
    schedules_hold(quick_hub, 200)


def kills_hold(hub, count: int) -> None:
    """Kill a real `s3d models pull` at a random moment, then run it again.

    What the system had taken in for the killed process, some hundred kilobytes, is sent twice: the model is of a size
    in which that is less than 5%.
    """
    print(f"kill seed: {SEED}")
    chance = random.Random(SEED)
    total = 20_000_000
    hub.repos[NAME] = whole_repo(size=total)
    hub.bytes_per_second = 20_000_000
    for _ in range(count):
        hub.forget()
        shutil.rmtree(places.models_dir(), ignore_errors=True)
        pull = start_pull()
        moment = chance.uniform(0, 1.05) * total
        deadline = time.monotonic() + 60
        while sum(hub.sent.values()) < moment and pull.poll() is None and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(chance.uniform(0, 0.02))
        with contextlib.suppress(ProcessLookupError):
            pull.send_signal(signal.SIGKILL)
        ended = pull.wait(30)
        pull.stderr.close()
        assert bool(library.installed()) == (ended == 0 or not journal.unfinished())
        again = start_pull()
        assert again.wait(120) == 0, again.stderr.read()
        again.stderr.close()
        assert library.verify("Tiny-Chat").name == "Tiny-Chat"
        assert journal.unfinished() == []
        check_bytes(hub)
        held = sum(len(body) for path, body in hub.repos[NAME].files.items() if hub.sent[path])
        print(f"killed at {moment / total:.0%}; sent in all {sum(hub.sent.values()) / held:.3f} of the model's size")


def start_pull() -> subprocess.Popen:
    command = [sys.executable, "-m", "app.cli", "models", "pull", NAME]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is POSIX's")
def test_a_killed_pull_goes_on_where_it_was(hub):
    kills_hold(hub, 3)


@pytest.mark.thorough
@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is POSIX's")
def test_20_kills_lose_nothing(hub):
    kills_hold(hub, 20)
