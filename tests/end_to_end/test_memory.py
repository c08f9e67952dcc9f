"""A process whose memory really ends: at the load, while the prompt is read, in the middle of an answer."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="the limit is Linux's")]
ROOT = Path(__file__).resolve().parents[2]

SCRIPT = """
import json, resource, sys
from pathlib import Path
import torch
from transformers.models.llama import modeling_llama
from s3d_core.engine import Engine
from s3d_core.errors import S3DError, is_out_of_memory
from s3d_core.settings import DraftSettings, SamplingSettings

MB = 1 << 20
told = {}

def squeeze(megabytes):
    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + megabytes * MB, resource.RLIM_INFINITY))

def release():
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

def load():
    return Engine.load(Path(sys.argv[1]), compiled=Path(sys.argv[2]))

def attempt(ids, first=lambda: None):
    text = []
    try:
        for done in engine.generate(ids, engine.info.defaults, SamplingSettings(max_tokens=400)):
            text.append(done.text)
            if len(text) == 1:
                first()
    except Exception as error:
        release()
        return "".join(text), is_out_of_memory(error)
    release()
    return "".join(text), None

load().close()  # unpacked, and all libraries in memory
squeeze(100)
try:
    load()
except S3DError as error:
    told["load"] = str(error)
release()
engine = load()
long = engine.chat_ids([{"role": "user", "content": "word " * 3000}])
engine.stop_ids = frozenset()  # no answer ends by itself
question = engine.chat_ids([{"role": "user", "content": "word " * 130 + "Write a long story about the sea."}])
assert 160 < len(question) < 230, len(question)
squeeze(30)
told["prefill"] = attempt(long)
# Of 256 slots at first; the answer needs more.
engine.cache = engine.target.new_cache()
told["broken"] = attempt(question, lambda: squeeze(6))
told["after"] = attempt(question)
engine.close()
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def told(default_model, compiled_code) -> dict:
    """What the script saw: (text, whether memory ran out) of each attempt."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(default_model), str(compiled_code)],
        cwd=ROOT,
        # Blocks of this size are given back to the system, so that the limit is met.
        env={**os.environ, "MALLOC_MMAP_THRESHOLD_": "100000", "MALLOC_ARENA_MAX": "1"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_a_model_that_memory_is_too_small_for_is_one_sentence(told):
    assert told["load"].endswith("does not fit into the memory of this machine.")


def test_a_prompt_that_memory_is_too_small_for_is_known_as_that(told):
    assert told["prefill"] == ["", True]


def test_memory_that_ends_in_the_middle_of_an_answer_keeps_what_was_written(told):
    text, short = told["broken"]
    assert short is True
    assert text


def test_with_memory_again_the_same_process_answers_as_ever(told):
    text, short = told["after"]
    assert short is None
    assert len(text) > len(told["broken"][0])
    assert text.startswith(told["broken"][0])
