"""`s3d serve` as a process of its own, with the default model, asked by OpenAI's own client."""

import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import openai
import pytest

ROOT = Path(__file__).resolve().parents[2]
KEY = "a-key-for-this-test"
PATIENCE = 600  # a start takes seconds, but the machine may have other things to do
QUESTION = [{"role": "user", "content": "Count from one to twenty in words."}]


@dataclass
class Served:
    """A server's process, its address and the file that its stderr goes to."""

    process: subprocess.Popen
    address: str
    said: Path

    def client(self, key: str = KEY) -> openai.OpenAI:
        return openai.OpenAI(base_url=self.address, api_key=key, max_retries=0, timeout=PATIENCE)


def start(folder: Path, *arguments: str, key: str | None = KEY) -> Served:
    said = folder / "stderr.txt"
    environment = {name: value for name, value in os.environ.items() if name != "S3D_API_KEY"}
    if key:
        environment["S3D_API_KEY"] = key
    with said.open("w") as file:
        command = [sys.executable, "-m", "app.cli", "serve", "--port", "0", *arguments]
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=file)
    end = time.monotonic() + PATIENCE
    while "is served at" not in said.read_text():
        if process.poll() is not None or time.monotonic() > end:
            process.kill()
            process.wait()
            pytest.fail(said.read_text())
        time.sleep(0.1)
    address = said.read_text().partition("is served at ")[2].partition(";")[0]
    return Served(process, address, said)


@pytest.fixture(scope="module")
def served(default_model, tmp_path_factory):
    server = start(tmp_path_factory.mktemp("served"), "--dtype", "float32")
    yield server
    server.process.kill()
    server.process.wait()


def test_a_streamed_answer_equals_a_whole_one_and_says_how_fast_it_was(served):
    ask = {"model": "any", "messages": QUESTION, "temperature": 0, "max_tokens": 40}
    with served.client() as client:
        whole = client.chat.completions.create(**ask)
        chunks = list(client.chat.completions.create(**ask, stream=True, stream_options={"include_usage": True}))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    assert text.strip()
    assert chunks[-1].usage == whole.usage
    assert whole.usage.completion_tokens <= 40
    figures = chunks[-1].model_extra["s3d"]
    assert figures["tokens_per_second"] > 0
    assert figures["plain_tokens_per_second"] > 0
    assert figures["tokens_per_round"] > 1
    assert 0 < figures["accepted"] <= figures["drafted"]


def test_a_seed_gives_the_same_text_with_and_without_drafts(served):
    ask = {"model": "any", "messages": QUESTION, "temperature": 0.9, "seed": 5, "max_tokens": 30}
    with served.client() as client:
        texts = [
            client.chat.completions.create(**ask, extra_body={"s3d": {"strategy": strategy}}).choices[0].message.content
            for strategy in ("plain", "s3d")
        ]
    assert texts[0] == texts[1]


def test_a_stop_text_and_a_prompt_too_long(served):
    with served.client() as client:
        done = client.completions.create(model="any", prompt="One, two, three,", temperature=0, stop=[" six"])
        assert done.choices[0].text == " four, five,"
        assert done.choices[0].finish_reason == "stop"
        with pytest.raises(openai.BadRequestError, match="context holds 8,192"):
            client.chat.completions.create(model="any", messages=[{"role": "user", "content": "word " * 20_000}])


def test_a_client_that_hangs_up_leaves_the_engine_free(served):
    story = [{"role": "user", "content": "Write a very long story about a lighthouse."}]
    with served.client() as client:
        stream = client.chat.completions.create(model="any", messages=story, stream=True, max_tokens=8000)
        next(stream)
        began = time.monotonic()
        for _ in range(8):
            next(stream)
        one = time.monotonic() - began
        stream.close()
        began = time.monotonic()
        client.chat.completions.create(model="any", messages=QUESTION, max_tokens=1)
    # The story's 8,000 tokens take much longer, however slow the machine is.
    assert time.monotonic() - began < 30 + 40 * one


def test_the_key_is_never_written_down(served):
    with served.client("a-wrong-key-to-look-for") as client, pytest.raises(openai.AuthenticationError):
        client.models.list()
    said = served.said.read_text()
    assert KEY not in said
    assert "a-wrong-key-to-look-for" not in said
    assert "The key is in $S3D_API_KEY." in said


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM to send")
def test_sigterm_ends_it_in_the_middle_of_an_answer_and_quietly(served):
    with served.client() as client:
        stream = client.chat.completions.create(model="any", messages=QUESTION, stream=True, max_tokens=8000)
        next(stream)
        served.process.send_signal(signal.SIGTERM)
        with pytest.raises(openai.APIError, match="The server is stopping"):
            list(stream)
    assert served.process.wait(PATIENCE) == 0
    assert served.said.read_text().splitlines()[-1] == "The server has ended."
    assert "Traceback" not in served.said.read_text()


def test_a_port_in_use_is_told_before_the_model_is_loaded(s3d, home):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = s3d("serve", "--port", str(taken.getsockname()[1]))
    assert done.returncode == 1
    assert "cannot be used" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.skipif(os.name == "nt", reason="Windows has neither pseudo-terminals nor SIGINT to send")
def test_on_a_terminal_the_key_is_shown_and_ctrl_c_ends_it(default_model, tmp_path):
    import pty

    ours, theirs = pty.openpty()
    file = tmp_path / "key"
    command = [sys.executable, "-m", "app.cli", "serve", "--port", "0", "--key-file", str(file)]
    environment = {name: value for name, value in os.environ.items() if name != "S3D_API_KEY"}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=theirs)
    os.close(theirs)
    shown = ""
    while "The key is" not in shown:
        shown += os.read(ours, 4096).decode()
    assert f"The key is {file.read_text().strip()}" in shown
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE) == 0
    os.close(ours)
