"""What a request asks for, read strictly: what cannot be honoured is refused by name, never left out in silence."""

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

from app.server.backend import Prompt
from app.server.errors import ApiError
from s3d_core.errors import SettingError
from s3d_core.settings import DraftSettings, SamplingSettings

MOST_STOPS = 16
LONGEST_STOP = 500
_MOST_TOKENS = 1_000_000
_ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}

# Said of a request rather than to the model: there is nothing to do about them here.
_IGNORED = {
    *("model", "user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key"),
    *("prompt_cache_retention", "parallel_tool_calls", "reasoning_effort", "verbosity", "prediction"),
    *("cache_prompt", "keep_alive"),
}
# Parameters whose only value here is the one that changes nothing, and what to say of any other.
_NEUTRAL: dict[str, tuple[Callable[[Any], bool], str]] = {
    "n": (lambda value: value == 1, "one answer is written to a request"),
    "best_of": (lambda value: value == 1, "one answer is written to a request"),
    "logprobs": (lambda value: value in (False, 0), "probabilities are not given out"),
    "top_logprobs": (lambda value: value == 0, "probabilities are not given out"),
    "logit_bias": (lambda value: value == {}, "scores of single tokens cannot be changed"),
    "presence_penalty": (lambda value: value == 0, "use repetition_penalty instead"),
    "frequency_penalty": (lambda value: value == 0, "use repetition_penalty instead"),
    "tools": (lambda value: value == [], "tools cannot be called"),
    "functions": (lambda value: value == [], "tools cannot be called"),
    "tool_choice": (lambda value: value in ("none", "auto"), "tools cannot be called"),
    "function_call": (lambda value: value in ("none", "auto"), "tools cannot be called"),
    "response_format": (lambda value: value == {"type": "text"}, "answers are plain text"),
    "modalities": (lambda value: value == ["text"], "answers are plain text"),
    "audio": (lambda value: False, "answers are plain text"),
    "web_search_options": (lambda value: False, "nothing is looked up in the web"),
    "echo": (lambda value: value is False, "the prompt is not repeated"),
    "suffix": (lambda value: value == "", "a text is only written on at its end"),
}
_SAMPLING = ("temperature", "top_p", "top_k", "min_p", "repetition_penalty")
_OTHERS = {"stream", "stream_options", "stop", "seed", "max_tokens", "max_completion_tokens", "s3d"}


@dataclass(frozen=True)
class Wanted:
    """A request, understood.

    Attributes:
        draft: fields of `DraftSettings` asked for.
        stream: the answer is to come piece by piece; `usage_at_end`: with a last piece that counts its tokens.
    """

    prompt: Prompt
    sampling: SamplingSettings
    draft: dict[str, Any]
    stream: bool
    usage_at_end: bool


def read_body(content: bytes) -> dict:
    """A request's JSON object.

    Raises:
        ApiError: it is none.
    """
    try:
        body = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ApiError("The request's body is not JSON that can be read.") from error
    if not isinstance(body, dict):
        raise ApiError("The request's body must be a JSON object.")
    return body


def chat(body: dict, usual: SamplingSettings, context: int) -> Wanted:
    """A request to /v1/chat/completions.

    Args:
        usual: what is not asked for.
        context: most tokens of prompt and answer together.

    Raises:
        ApiError: something in it cannot be understood or honoured.
    """
    _refuse_strangers(body, "messages")
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise ApiError("messages must be a list of at least one message.", parameter="messages")
    return _wanted([_message(one, f"messages[{at}]") for at, one in enumerate(messages)], body, usual, context)


def completion(body: dict, usual: SamplingSettings, context: int) -> Wanted:
    """A request to /v1/completions, with the parameters of `chat`.

    Raises:
        ApiError: something in it cannot be understood or honoured.
    """
    _refuse_strangers(body, "prompt")
    prompt = body.get("prompt")
    if isinstance(prompt, list) and len(prompt) == 1:
        prompt = prompt[0]
    if not isinstance(prompt, str):
        raise ApiError("prompt must be a text, or a list of one text.", parameter="prompt")
    return _wanted(_text(prompt, "prompt"), body, usual, context)


def _refuse_strangers(body: dict, own: str) -> None:
    known = {own, *_IGNORED, *_NEUTRAL, *_SAMPLING, *_OTHERS}
    for name in body:
        if name not in known:
            raise ApiError(f"Unrecognized request argument supplied: {name[:100]}", parameter=name[:100])
    for name, (changes_nothing, reason) in _NEUTRAL.items():
        if (value := body.get(name)) is not None and not changes_nothing(value):
            raise ApiError(f"{name} cannot be used here: {reason}.", code="unsupported_parameter", parameter=name)


def _message(given: Any, where: str) -> dict:
    if not isinstance(given, dict):
        raise ApiError(f"{where} must be an object with role and content.", parameter=where)
    role = given.get("role")
    if not isinstance(role, str) or role not in _ROLES:
        raise ApiError(f"{where}.role must be one of {', '.join(_ROLES)}.", parameter=f"{where}.role")
    if given.get("tool_calls") or given.get("function_call"):
        raise ApiError(f"{where} calls a tool, but tools cannot be called here.", parameter=where)
    content, name = given.get("content"), f"{where}.content"
    if isinstance(content, list):
        content = "\n".join(_part(part, f"{name}[{at}]") for at, part in enumerate(content))
    if not isinstance(content, str):
        raise ApiError(f"{name} must be a text, or a list of text parts.", parameter=name)
    return {"role": _ROLES[role], "content": _text(content, name)}


def _part(given: Any, where: str) -> str:
    if isinstance(given, dict) and given.get("type") == "text" and isinstance(given.get("text"), str):
        return given["text"]
    kind = given.get("type") if isinstance(given, dict) else None
    what = f"of type {kind!r}" if isinstance(kind, str) and len(kind) < 50 and kind != "text" else "of this form"
    raise ApiError(f"{where} is {what}, but this model reads text parts only.", parameter=where)


def _text(given: str, where: str) -> str:
    try:
        given.encode()
    except UnicodeEncodeError as error:
        raise ApiError(f"{where} holds half a letter (a lone surrogate).", parameter=where) from error
    return given


def _wanted(prompt: Prompt, body: dict, usual: SamplingSettings, context: int) -> Wanted:
    sampling = replace(usual, max_tokens=_most_tokens(body, context), stop=_stops(body, usual), seed=_seed(body))
    for name in _SAMPLING:
        if (value := body.get(name)) is not None:
            # OpenAI takes a top_p of 0, which keeps the best token alone.
            value = 0.001 if name == "top_p" and value == 0 and not isinstance(value, bool) else value
            sampling = _changed(sampling, name, value)
    stream, options = body.get("stream") or False, body.get("stream_options")
    if not isinstance(stream, bool):
        raise ApiError("stream must be true or false.", parameter="stream")
    if options is not None and (not isinstance(options, dict) or not stream):
        raise ApiError("stream_options must be an object, and goes with stream only.", parameter="stream_options")
    return Wanted(prompt, sampling, _draft(body), stream, bool(options and options.get("include_usage")))


def _changed(settings, name: str, value, shown: str | None = None):
    try:
        return replace(settings, **{name: value})
    except SettingError as error:
        raise ApiError(str(error)[:300], parameter=shown or name) from error


def _draft(body: dict) -> dict[str, Any]:
    given = body.get("s3d")
    if given is None:
        return {}
    known = {field.name for field in fields(DraftSettings)}
    if not isinstance(given, dict) or not set(given) <= known:
        raise ApiError(f"s3d must be an object with some of {', '.join(sorted(known))}.", parameter="s3d")
    for name, value in given.items():
        _changed(DraftSettings(), name, value, f"s3d.{name}")
    return given


def _most_tokens(body: dict, context: int) -> int:
    for name in ("max_completion_tokens", "max_tokens"):
        value = body.get(name)
        if value is None or value == -1:
            continue
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ApiError(f"{name} must be a whole number of at least 1.", parameter=name)
        return min(value, _MOST_TOKENS)
    return min(context, _MOST_TOKENS)


def _stops(body: dict, usual: SamplingSettings) -> tuple[str, ...]:
    given = body.get("stop")
    if given is None:
        return usual.stop
    stops = [given] if isinstance(given, str) else given
    fits = isinstance(stops, list) and len(stops) <= MOST_STOPS
    if not fits or not all(isinstance(stop, str) and 0 < len(stop) <= LONGEST_STOP for stop in stops):
        raise ApiError(
            f"stop must be a text or a list of at most {MOST_STOPS}, each of 1 to {LONGEST_STOP} letters.",
            parameter="stop",
        )
    return tuple(_text(stop, "stop") for stop in stops)


def _seed(body: dict) -> int:
    given = body.get("seed")
    if given is None:
        return secrets.randbelow(2**31)
    if not isinstance(given, int) or isinstance(given, bool):
        raise ApiError("seed must be a whole number.", parameter="seed")
    return given % 2**63
