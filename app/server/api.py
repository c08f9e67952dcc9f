"""The addresses under /v1, as an ASGI application."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from app.diagnostics.private import keeping_private
from app.server import requests
from app.server.answers import Answers, unless_gone
from app.server.errors import SERVER, ApiError, as_api_error
from app.server.gate import HostAndOrigin, Key, refusal
from app.server.replies import Reply, event
from app.server.requests import Wanted
from s3d_core.settings import SamplingSettings
from s3d_core.stats import ModelInfo

MOST_BYTES = 8 << 20
BODY_SECONDS = 30.0
# As the window samples: nearly the most probable text, which drafts guess best.
USUAL = SamplingSettings(temperature=0.2, top_k=40, min_p=0.05)


@dataclass(frozen=True)
class Access:
    """Who may ask.

    Attributes:
        key: what a program must show.
        is_local: only this computer can reach the server.
        hosts, origins: see `gate.HostAndOrigin`.
    """

    key: str
    is_local: bool = True
    hosts: Sequence[str] = ()
    origins: Sequence[str] = ()


def application(answers: Answers, access: Access, usual: SamplingSettings = USUAL) -> Starlette:
    """The whole server but its socket."""
    api = _Api(answers, usual)
    middleware = [Middleware(HostAndOrigin, access.is_local, access.hosts, access.origins)]
    if access.origins:
        middleware.append(
            Middleware(
                CORSMiddleware,
                allow_origins=list(access.origins),
                allow_methods=["GET", "POST"],
                allow_headers=["*"],
                expose_headers=["Retry-After"],
            )
        )
    middleware.append(Middleware(Key, access.key))
    routes = [
        Route("/health", api.health),
        Route("/v1/models", api.models),
        Route("/v1/models/{name:path}", api.model),
        Route("/v1/chat/completions", api.chat, methods=["POST"]),
        Route("/v1/completions", api.completion, methods=["POST"]),
    ]
    handlers = {ApiError: _said, HTTPException: _misled, ClientDisconnect: _gone, Exception: _said}
    return Starlette(routes=routes, middleware=middleware, exception_handlers=handlers)  # type: ignore[arg-type]


class _Api:
    def __init__(self, answers: Answers, usual: SamplingSettings):
        self._answers, self._usual = answers, usual
        self._since = int(time.time())

    async def health(self, request: Request) -> Response:
        return JSONResponse({"status": "ok" if self._answers.backend.info else "no model"})

    async def models(self, request: Request) -> Response:
        info = self._answers.backend.info
        return JSONResponse({"object": "list", "data": [self._model(info)] if info else []})

    async def model(self, request: Request) -> Response:
        info = self._info()
        if request.path_params["name"] != info.name:
            raise ApiError(f"The only model here is {info.name}.", 404, code="model_not_found", parameter="model")
        return JSONResponse(self._model(info))

    async def chat(self, request: Request) -> Response:
        return await self._write(request, requests.chat, is_chat=True)

    async def completion(self, request: Request) -> Response:
        return await self._write(request, requests.completion, is_chat=False)

    def _info(self) -> ModelInfo:
        info = self._answers.backend.info
        if info is None:
            raise ApiError("No model is loaded; load one in the window first.", 503, SERVER, code="model_not_loaded")
        return info

    def _model(self, info: ModelInfo) -> dict:
        about = {"context_length": info.context_limit, "has_adapter": info.has_adapter, "dtype": info.dtype}
        return {"id": info.name, "object": "model", "created": self._since, "owned_by": "local", "s3d": about}

    async def _write(
        self, request: Request, read: Callable[[dict, SamplingSettings, int], Wanted], is_chat: bool
    ) -> Response:
        content = await _content(request)
        with keeping_private([content.decode("utf-8", errors="replace")]):
            body = requests.read_body(content)
            info = self._info()
            wanted = read(body, self._usual, info.context_limit)
        reply = Reply(is_chat, info.name, wanted.sampling.seed)
        if not wanted.stream:
            await unless_gone(request.receive, self._fill(reply, wanted))
            return JSONResponse(reply.whole())
        pieces = self._pieces(reply, wanted)
        # What is wrong with a request shows by its first round, while there is still a status to answer with.
        try:
            first = await unless_gone(request.receive, anext(pieces))
        except BaseException:
            await pieces.aclose()
            raise
        return _Events(first, pieces)

    async def _fill(self, reply: Reply, wanted: Wanted) -> None:
        async with aclosing(self._answers.rounds(wanted)) as rounds:
            async for done, waited_ms in rounds:
                reply.add(done, waited_ms, self._answers.backend.plain_ms)

    async def _pieces(self, reply: Reply, wanted: Wanted) -> AsyncGenerator[bytes, None]:
        is_first = True
        async with aclosing(self._answers.rounds(wanted)) as rounds:
            async for done, waited_ms in rounds:
                reply.add(done, waited_ms, self._answers.backend.plain_ms)
                if not (done.text or is_first or reply.finish_reason):
                    continue
                piece = reply.piece(done.text, is_first)
                is_first = False
                if reply.finish_reason and not wanted.usage_at_end:
                    piece["s3d"] = reply.figures()
                yield event(piece)
        if wanted.usage_at_end:
            yield event(reply.end() | {"s3d": reply.figures()})
        yield event("[DONE]")


class _Events(Response):
    """An answer that streams; an error on the way is its last event."""

    media_type = "text/event-stream"

    def __init__(self, first: bytes, pieces: AsyncGenerator[bytes, None]):
        super().__init__(headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._first, self._pieces = first, pieces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(self._pieces):
            with suppress(ClientDisconnect):
                await unless_gone(receive, self._send(send))

    async def _send(self, send: Send) -> None:
        async def body(content: bytes, more: bool = True) -> None:
            await send({"type": "http.response.body", "body": content, "more_body": more})

        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await body(self._first)
        try:
            async for piece in self._pieces:
                await body(piece)
        except Exception as error:
            await body(event(as_api_error(error).body()))
        await body(b"", more=False)


async def _content(request: Request) -> bytes:
    """The request's body, which must be neither too long nor too long in coming."""
    too_long = ApiError(f"The request's body is longer than {MOST_BYTES:,} bytes.", 413)
    announced = request.headers.get("content-length", "0")
    if announced.isdecimal() and int(announced) > MOST_BYTES:
        raise too_long
    content = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                content += chunk
                if len(content) > MOST_BYTES:
                    raise too_long
    except TimeoutError as error:
        raise ApiError(f"The request's body did not come within {BODY_SECONDS:.0f} seconds.", 408) from error
    return bytes(content)


async def _said(request: Request, error: Exception) -> Response:
    return refusal(as_api_error(error))


async def _misled(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    known = {404: "There is nothing at this address.", 405: "This address does not take this method."}
    said = ApiError(known.get(error.status_code, error.detail), error.status_code, headers=dict(error.headers or {}))
    return refusal(said)


async def _gone(request: Request, error: Exception) -> Response:
    return Response(status_code=400)  # nobody reads it
