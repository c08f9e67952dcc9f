"""Requests that are refused, each with a sentence in OpenAI's form, and the parameters that are let be."""

import json

import pytest

from app.server import api

HELLO = [{"role": "user", "content": "Hello"}]
CHAT = "/v1/chat/completions"


@pytest.mark.parametrize(
    ("extra", "parameter"),
    [
        ({"messages": []}, "messages"),
        ({"messages": "Hello"}, "messages"),
        ({"messages": ["Hello"]}, "messages[0]"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": ["user"], "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": 3}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages[0].content[0]"),
        ({"messages": [{"role": "user", "content": "half \ud800"}]}, "messages[0].content"),
        ({"messages": [*HELLO, {"role": "assistant", "content": "", "tool_calls": [{"id": "1"}]}]}, "messages[1]"),
        ({"temperature": -1}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": True}, "temperature"),
        ({"top_p": 2}, "top_p"),
        ({"top_k": 0.5}, "top_k"),
        ({"min_p": 7}, "min_p"),
        ({"repetition_penalty": 0}, "repetition_penalty"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_completion_tokens": 1.5}, "max_completion_tokens"),
        ({"seed": "x"}, "seed"),
        ({"stop": [""]}, "stop"),
        ({"stop": ["a"] * 17}, "stop"),
        ({"stop": "a" * 501}, "stop"),
        ({"stop": 3}, "stop"),
        ({"stream": "yes"}, "stream"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"stream": True, "stream_options": 3}, "stream_options"),
        ({"n": 2}, "n"),
        ({"logprobs": True}, "logprobs"),
        ({"logit_bias": {"50256": -100}}, "logit_bias"),
        ({"presence_penalty": 0.5}, "presence_penalty"),
        ({"tools": [{"type": "function"}]}, "tools"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"s3d": {"skipped": -1}}, "s3d.skipped"),
        ({"s3d": {"magic": 1}}, "s3d"),
        ({"s3d": []}, "s3d"),
        ({"temprature": 1}, "temprature"),
    ],
    ids=lambda given: json.dumps(given)[:40] if isinstance(given, dict) else "",
)
def test_what_cannot_be_honoured_is_refused_by_name(send, backend, extra, parameter):
    answered = send("POST", CHAT, {"model": "any", "messages": HELLO} | extra)
    assert answered.status == 400
    assert answered.error["param"] == parameter
    assert answered.error["type"] == "invalid_request_error"
    assert backend.asked == []


def test_what_changes_nothing_is_let_be(send):
    neutral = {
        "model": "gpt-4o",
        "messages": HELLO,
        "n": 1,
        "logprobs": False,
        "logit_bias": {},
        "presence_penalty": 0,
        "frequency_penalty": 0.0,
        "tools": [],
        "tool_choice": "auto",
        "response_format": {"type": "text"},
        "user": "me",
        "metadata": {"a": "b"},
        "store": False,
        "reasoning_effort": "low",
        "temperature": None,
        "stop": None,
        "seed": None,
        "max_tokens": -1,
        "stream_options": None,
    }
    assert send("POST", CHAT, neutral).status == 200


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"3", b"\xff\xfe", b"[" * 200_000, b'{"messages": ' + b"9" * 5000 + b"}", b"null"]
)
def test_a_body_that_is_no_object_is_refused(send, body):
    answered = send("POST", CHAT, body)
    assert answered.status == 400
    assert answered.error["message"]


@pytest.mark.parametrize("prompt", [None, 3, [], ["a", "b"], [1, 2, 3]])
def test_a_prompt_that_is_no_text_is_refused(send, prompt):
    assert send("POST", "/v1/completions", {"prompt": prompt}).error["param"] == "prompt"


def test_unknown_addresses_and_methods_are_refused_in_the_same_form(send):
    assert (send("GET", "/v1/nowhere").status, send("GET", "/v1/nowhere").error["code"]) == (404, None)
    assert send("GET", CHAT).status == 405
    assert "does not take this method" in send("DELETE", "/v1/models").error["message"]


def test_a_body_that_is_too_long_is_not_read_to_its_end(send, monkeypatch, backend):
    monkeypatch.setattr(api, "MOST_BYTES", 10_000)
    answered = send("POST", CHAT, {"messages": [{"role": "user", "content": "x" * 10_001}]})
    assert answered.status == 413
    assert "longer than 10,000 bytes" in answered.error["message"]
    assert backend.asked == []


def test_a_long_body_whose_length_is_not_told_is_cut_off(send, service, monkeypatch):
    import http.client

    monkeypatch.setattr(api, "MOST_BYTES", 10_000)
    place = service.address.removeprefix("http://").removesuffix("/v1")
    connection = http.client.HTTPConnection(place, timeout=30)
    headers = {"Authorization": "Bearer a-key-for-tests"}
    connection.request("POST", CHAT, iter([b"x" * 1000] * 50), headers, encode_chunked=True)
    assert connection.getresponse().status == 413
    connection.close()


def test_a_body_that_does_not_come_is_not_waited_for(service, monkeypatch):
    import http.client

    monkeypatch.setattr(api, "BODY_SECONDS", 0.2)
    place = service.address.removeprefix("http://").removesuffix("/v1")
    connection = http.client.HTTPConnection(place, timeout=30)
    connection.putrequest("POST", CHAT)
    connection.putheader("Authorization", "Bearer a-key-for-tests")
    connection.putheader("Content-Length", "100")
    connection.endheaders(b"{")
    assert connection.getresponse().status == 408
    connection.close()
