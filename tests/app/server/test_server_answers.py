"""Answers as OpenAI's own client reads them."""

import threading
import time

import openai
import pytest

from app.server.errors import as_api_error
from s3d_core.errors import PromptError

ASK = {"model": "any", "messages": [{"role": "user", "content": "Hello"}]}
WHOLE = "".join(f"word{n} " for n in range(9))


def wait_until(is_so, seconds=20):
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def test_the_models_are_listed(client):
    (model,) = client.models.list().data
    assert model.id == "Scripted-1M"
    assert client.models.retrieve("Scripted-1M").owned_by == "local"
    with pytest.raises(openai.NotFoundError, match="The only model here is Scripted-1M"):
        client.models.retrieve("gpt-9")


def test_a_whole_answer_with_usage_and_figures(client, backend):
    answer = client.chat.completions.create(**ASK, seed=7)
    (choice,) = answer.choices
    assert choice.message.content == WHOLE
    assert choice.message.role == "assistant"
    assert choice.finish_reason == "stop"
    assert answer.model == "Scripted-1M"
    assert answer.usage.to_dict() == {"prompt_tokens": 20, "completion_tokens": 9, "total_tokens": 29}
    figures = answer.model_extra["s3d"]
    assert figures["tokens_per_second"] == 750
    assert figures["plain_tokens_per_second"] == 100
    assert figures["speedup"] == 7.5
    assert figures["tokens_per_round"] == 3
    assert (figures["drafted"], figures["accepted"], figures["rounds"]) == (24, 6, 3)
    assert (figures["seed"], figures["stop_reason"]) == (7, "stop")
    assert backend.asked[0][0] == ASK["messages"]


def test_a_streamed_answer_comes_while_it_is_written(client, backend):
    backend.may_go_on.clear()
    with client.chat.completions.create(**ASK, stream=True) as stream:
        first = next(stream)
        assert first.choices[0].delta.role == "assistant"
        assert first.choices[0].delta.content == "word0 word1 word2 "
        assert backend.rounds == 1
        backend.may_go_on.set()
        rest = list(stream)
    assert "".join(chunk.choices[0].delta.content for chunk in [first, *rest]) == WHOLE
    assert [chunk.choices[0].finish_reason for chunk in [first, *rest]] == [None, None, "stop"]
    assert rest[-1].model_extra["s3d"]["tokens_per_round"] == 3


def test_usage_comes_last_when_it_is_asked_for(client):
    chunks = list(client.chat.completions.create(**ASK, stream=True, stream_options={"include_usage": True}))
    assert chunks[-1].choices == []
    assert chunks[-1].usage.total_tokens == 29
    assert chunks[-1].model_extra["s3d"]["accepted"] == 6
    assert chunks[-2].choices[0].finish_reason == "stop"


def test_a_text_is_continued(client, backend):
    answer = client.completions.create(model="any", prompt="Once upon", max_tokens=4)
    assert answer.choices[0].text == "word0 word1 word2 word3 "
    assert answer.choices[0].finish_reason == "length"
    assert backend.asked[0][0] == "Once upon"
    pieces = list(client.completions.create(model="any", prompt=["Once upon"], stream=True))
    assert "".join(piece.choices[0].text for piece in pieces) == WHOLE


def test_sampling_reaches_the_backend(client, backend):
    client.chat.completions.create(
        **ASK,
        temperature=0.5,
        top_p=0,
        max_completion_tokens=3,
        max_tokens=5,
        stop=["END", "\n"],
        seed=-1,
        extra_body={"top_k": 5, "min_p": 0.1, "repetition_penalty": 1.2, "s3d": {"skipped": 3, "strategy": "skip"}},
    )
    _, sampling, draft = backend.asked[0]
    assert (sampling.temperature, sampling.top_p, sampling.top_k, sampling.min_p) == (0.5, 0.001, 5, 0.1)
    assert (sampling.max_tokens, sampling.stop, sampling.repetition_penalty) == (3, ("END", "\n"), 1.2)
    assert sampling.seed == 2**63 - 1
    assert draft == {"skipped": 3, "strategy": "skip"}


def test_what_is_not_asked_for_is_as_in_the_window_and_the_seed_is_another_each_time(client, backend):
    for _ in range(2):
        client.chat.completions.create(**ASK)
    first, second = (sampling for _, sampling, _ in backend.asked)
    assert (first.temperature, first.top_k, first.min_p, first.max_tokens) == (0.2, 40, 0.05, 1000)
    assert first.seed != second.seed


def test_text_parts_and_developers_are_read(client, backend):
    parts = [{"type": "text", "text": "One"}, {"type": "text", "text": "two"}]
    messages = [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": parts}]
    client.chat.completions.create(model="any", messages=messages)
    assert backend.asked[0][0] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "One\ntwo"},
    ]


def test_errors_of_the_model_come_with_a_status_even_when_streaming(client, backend):
    backend.error = PromptError("The prompt is too long; shorten it.")
    for stream in (False, True):
        with pytest.raises(openai.BadRequestError, match="shorten it"):
            client.chat.completions.create(**ASK, stream=stream)


@pytest.mark.parametrize("stream", [False, True])
def test_an_accident_is_told_without_its_inside_and_logged(client, backend, stream, caplog):
    backend.error = RuntimeError("secret inside")
    with pytest.raises(openai.InternalServerError) as caught:
        client.chat.completions.create(**ASK, stream=stream)
    assert "RuntimeError" in str(caught.value)
    assert "secret inside" not in str(caught.value)
    assert "unexpected error in the server" in caplog.text


def test_an_accident_in_the_middle_of_a_stream_is_its_last_event(client, backend, caplog):
    backend.error, backend.error_at = RuntimeError("boom"), 1
    with pytest.raises(openai.APIError, match="Something went wrong"):
        list(client.chat.completions.create(**ASK, stream=True))
    assert "boom" in caplog.text


def test_without_a_model_there_is_a_sentence(client, backend):
    backend.info = None
    assert client.models.list().data == []
    with pytest.raises(openai.InternalServerError, match="No model is loaded") as caught:
        client.chat.completions.create(**ASK)
    assert caught.value.status_code == 503


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_goes_away_ends_its_answer_within_a_round(service, backend, send, stream):
    backend.words, backend.pause = ["word "] * 3000, 0.02
    with openai.OpenAI(base_url=service.address, api_key="a-key-for-tests", max_retries=0) as leaving:
        if stream:
            with leaving.chat.completions.create(**ASK, stream=True) as chunks:
                next(chunks)
        else:
            with pytest.raises(openai.APITimeoutError):
                leaving.with_options(timeout=0.3).chat.completions.create(**ASK)
    wait_until(lambda: not service._answers.answering)
    assert backend.rounds < 500
    # The next one is answered as if nothing had been.
    backend.words = ["fine"]
    assert b"fine" in send("POST", "/v1/chat/completions", ASK).content


def test_a_waiting_client_that_goes_away_leaves_the_queue(service, backend, send):
    backend.may_go_on.clear()
    first = threading.Thread(target=send, args=("POST", "/v1/chat/completions", ASK))
    first.start()
    assert backend.begun.wait(20)
    with (
        openai.OpenAI(base_url=service.address, api_key="a-key-for-tests", max_retries=0, timeout=0.3) as leaving,
        pytest.raises(openai.APITimeoutError),
    ):
        leaving.chat.completions.create(**ASK)
    wait_until(lambda: service._answers.waiting == 0)
    backend.may_go_on.set()
    first.join(20)
    wait_until(lambda: not service._answers.answering)
    assert len(backend.asked) == 1


def test_past_a_bounded_queue_clients_are_told_to_come_again(client, service, backend, send):
    backend.may_go_on.clear()
    done = []
    threads = [
        threading.Thread(target=lambda: done.append(send("POST", "/v1/chat/completions", ASK).status)) for _ in range(9)
    ]
    for thread in threads:
        thread.start()
    wait_until(lambda: service._answers.waiting == 8)
    with pytest.raises(openai.RateLimitError) as caught:
        client.chat.completions.create(**ASK)
    assert caught.value.status_code == 429
    assert int(caught.value.response.headers["Retry-After"]) >= 1
    backend.may_go_on.set()
    for thread in threads:
        thread.join(20)
    assert done == [200] * 9
    assert len(backend.asked) == 9


def test_a_stop_ends_the_answer_and_tells_the_waiting(serve, backend, send):
    service = serve()
    backend.may_go_on.clear()
    said = []
    ask = lambda: said.append(send("POST", "/v1/chat/completions", ASK, to=service).error["message"])  # noqa: E731
    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    wait_until(lambda: service._answers is not None and service._answers.waiting == 1)
    service.stop()
    service.join(20)
    assert not service.is_running
    for thread in threads:
        thread.join(20)
    assert said == ["The server is stopping."] * 2
    assert len(backend.asked) == 1


def test_a_client_that_reads_nothing_holds_nobody_up(service, backend, send):
    backend.words = ["x" * 100_000] * 90
    with openai.OpenAI(base_url=service.address, api_key="a-key-for-tests", max_retries=0) as lazy:
        stream = lazy.chat.completions.create(**ASK, stream=True)
        backend.begun.wait(20)
        backend.words = ["next"]
        assert b"next" in send("POST", "/v1/chat/completions", ASK).content
        stream.close()


@pytest.mark.parametrize("said", ["CUDA out of memory.", "DefaultCPUAllocator: can't allocate memory: you tried to"])
def test_too_little_memory_is_known_on_the_gpu_and_on_the_cpu(said):
    error = as_api_error(RuntimeError(said))
    assert error.status == 503
    assert "not enough memory" in str(error)
