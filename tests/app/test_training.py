"""Training in a process of its own: its status, its pauses, and what is left when it is cut off."""

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from core.files import save_folder

from app.models import places
from app.training import status as statuses
from app.training.job import EFFORTS, Order, TrainingJob, jobs
from app.training.measure import Estimate, keep_estimate
from app.training.reporter import PausedError, Reporter
from app.training.status import PAUSE, State, Status
from s3d_core.errors import TrainingError
from s3d_core.train.recipe import Progress

PATIENCE = 600


def until(condition, seconds=PATIENCE):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("waited in vain")


def reach(job: TrainingJob, *states: str, done: int = 0) -> None:
    """Wait for a state; a training that fails meanwhile says why."""

    def there() -> bool:
        status = job.status
        assert status is not None
        assert status.state != State.FAILED, f"{status.sentence} {job.last_line}"
        return status.state in states and status.done >= done

    until(there)


def held(folder: Path) -> Status:
    status = statuses.read(folder)
    assert status is not None
    return status


# The status file.


def test_a_status_comes_back_as_it_was_written(tmp_path):
    written = Status(State.PAUSED, 3, 9, 1.5, 2.25, ((2, 1.5), (4, 1.75)), 10, 1.1, None, "lookup", "", (1, 2.0))
    statuses.write(tmp_path, written)
    assert replace(held(tmp_path), written=0.0) == written
    assert [path.name for path in tmp_path.iterdir()] == [statuses.STATUS]


@pytest.mark.parametrize("content", [None, "", "{", "[]", '{"state": "training", "curve": [1]}', '{"process": 5}'])
def test_a_damaged_status_is_none(tmp_path, content):
    if content is not None:
        (tmp_path / statuses.STATUS).write_text(content)
    assert statuses.read(tmp_path) is None


def test_a_process_that_has_gone_left_its_training_interrupted(tmp_path):
    """Its number may belong to another process by now, which its start time tells apart."""
    number, since = statuses.this_process()
    assert number == os.getpid()
    for process, state in (((number, since), State.TRAINING), ((number, since - 60), State.INTERRUPTED)):
        statuses.write(tmp_path, Status(State.TRAINING, process=process))
        assert held(tmp_path).state == state
    gone = subprocess.Popen([sys.executable, "-c", ""])
    statuses.write(tmp_path, Status(State.TRAINING, process=statuses.this_process(gone.pid)))
    gone.wait()
    assert held(tmp_path).state == State.INTERRUPTED
    assert held(tmp_path).can_resume


# The trainer's side.


@pytest.fixture
def clock():
    class Clock:
        now = 0.0

        def __call__(self):
            return self.now

    return Clock()


def test_the_time_left_follows_the_rate(tmp_path, clock):
    reporter = Reporter(tmp_path, clock)
    assert not reporter.show(Progress("corpus", 100, 1000))
    clock.now = 10
    reporter.show(Progress("corpus", 200, 1000))
    assert held(tmp_path).seconds_left == pytest.approx(80)
    assert held(tmp_path).state == State.CORPUS
    # A training that is gone on with counts from where it began.
    reporter.show(Progress("training", 51, 100, 2.0))
    clock.now = 20
    reporter.show(Progress("training", 61, 100, 1.5))
    assert held(tmp_path).seconds_left == pytest.approx(39)
    assert held(tmp_path).loss == 1.5


def test_the_curve_is_kept_and_measured_anew_behind_a_checkpoint(tmp_path, clock):
    for run in ((10, 20, 30), (20, 30, 40)):
        reporter = Reporter(tmp_path, clock)
        for step in run:
            reporter.show(Progress("training", step, 40, 1.0, step / 10))
    assert held(tmp_path).curve == ((10, 1.0), (20, 2.0), (30, 3.0), (40, 4.0))


def test_a_pause_ends_a_training_after_its_step_and_a_corpus_at_once(tmp_path, clock):
    reporter = Reporter(tmp_path, clock)
    (tmp_path / PAUSE).touch()
    with pytest.raises(PausedError):
        reporter.show(Progress("corpus", 1, 10))
    assert reporter.show(Progress("training", 1, 10, 1.0)) is True
    with pytest.raises(PausedError):
        reporter.show(Progress("finishing", 1, 10))
    # The next run does not find the old wish.
    assert not Reporter(tmp_path, clock).show(Progress("training", 2, 10, 1.0))


def test_a_full_disk_does_not_end_a_training(tmp_path, clock, monkeypatch):
    reporter = Reporter(tmp_path, clock)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(statuses, "write", full)
    assert reporter.show(Progress("training", 1, 10, 1.0, 1.5)) is False


def test_an_estimate_grows_with_the_effort():
    found = Estimate(500.0, 4.0, 60.0, 10**8)
    seconds = [found.seconds(e.corpus_tokens, e.steps, e.measure_every) for e in EFFORTS]
    assert seconds == sorted(seconds)
    assert 2 * 3600 < seconds[1] < 4 * 3600
    assert found.disk(200_000) > 10**8


def test_a_disk_that_is_too_full_is_said_before_anything_starts(tmp_path):
    job = TrainingJob(tmp_path / "job")
    keep_estimate(job.folder, Estimate(500.0, 4.0, 60.0, 10**18))
    with pytest.raises(TrainingError, match="GB more on the disk"):
        job.start(Order("model", 1000, 2, 2))
    assert job.status is None


# A real process on a tiny model.


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_folder(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def job(home, model, monkeypatch):
    # Tiny matrices only lose by threads that wait for each other.
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    job = TrainingJob.of_model("tiny")
    assert job.folder == places.adapters_dir() / "tiny"
    yield job
    job.stop_measuring()
    if job.status is not None and job.status.is_running:
        job.cancel()


def order_for(model: Path, steps: int) -> Order:
    return Order(str(model), 1500, steps, 2)


@pytest.mark.slow
def test_a_training_is_paused_survives_its_window_and_goes_on(job, model):
    assert job.status is None
    with pytest.raises(TrainingError, match="no training to go on with"):
        job.resume()
    job.start(order_for(model, 100_000))
    with pytest.raises(TrainingError, match="being trained already"):
        job.start(order_for(model, 5))
    reach(job, State.TRAINING, done=3)
    assert job.status.before > 0
    assert job.status.curve[0][0] == 2
    assert job.status.disk_bytes > 0
    # Another window knows nothing of this one's objects.
    other = jobs()[0]
    assert other.folder == job.folder
    assert other.status.is_running
    process = psutil.Process(other.status.process[0])
    assert process.pid != os.getpid()
    other.pause()
    reach(job, State.PAUSED)
    reached = job.status.done
    assert not (job.folder / "adapter.json").exists()
    until(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE)
    # Gone on with, to an end that is near.
    written = json.loads((job.folder / "job.json").read_text())
    (job.folder / "job.json").write_text(json.dumps(written | {"steps": reached + 2}))
    job.resume()
    reach(job, State.DONE)
    done = job.status
    assert done.done == reached + 2
    assert done.after > 0
    assert done.before > 0
    assert done.curve[-1][0] == reached + 2
    assert (job.folder / "adapter.json").exists()
    # The adapter is found by itself.
    from s3d_core.engine import Engine

    engine = Engine.load(model, adapters=[places.adapters_dir()])
    assert engine.info.has_adapter
    assert engine.info.notice is None
    job.cancel()
    assert sorted(path.name for path in job.folder.iterdir()) == ["adapter.json", "adapter.safetensors"]


@pytest.mark.slow
def test_a_training_that_is_killed_is_interrupted_and_one_that_is_cancelled_leaves_nothing(job, model):
    job.start(order_for(model, 100_000))
    reach(job, State.CORPUS, State.TRAINING)
    psutil.Process(job.status.process[0]).kill()
    reach(job, State.INTERRUPTED)
    # A training under way is no adapter, and nobody is told of a damaged one.
    from s3d_core.engine import Engine

    engine = Engine.load(model, adapters=[places.adapters_dir()])
    assert not engine.info.has_adapter
    assert engine.info.notice is None
    job.resume()
    reach(job, State.CORPUS, State.TRAINING)
    number = job.status.process[0]
    job.cancel()
    assert not job.folder.exists()
    assert not psutil.pid_exists(number) or psutil.Process(number).status() == psutil.STATUS_ZOMBIE


@pytest.mark.slow
def test_a_short_measurement_estimates_time_and_disk(job, model):
    job.measure(model)
    assert job.is_measuring
    until(lambda: not job.is_measuring)
    assert not job.measuring_failed, job.last_line
    assert job.estimate.tokens_per_second > 0
    assert job.estimate.step_seconds > 0
    assert job.estimate.disk_bytes > 0
    assert job.status is None


@pytest.mark.slow
def test_what_ends_a_training_is_told(job, model):
    job.start(replace(order_for(model, 2), model=str(model / "nowhere")))
    until(lambda: not job.status.is_running)
    assert job.status.state in (State.FAILED, State.INTERRUPTED)
    assert "There is no model" in (job.status.sentence or job.last_line)
