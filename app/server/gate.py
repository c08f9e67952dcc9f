"""Who may ask: programs that know the key, by a name that is ours, and no web page that was not invited.

A page in the user's browser can send requests to this computer. Its `Origin` gives it away; and a page that turns its
own name into our address (DNS rebinding) is given away by the `Host`, which is then still its name.
"""

import ipaddress
import socket
from collections.abc import Iterable

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from app.server import key as keys
from app.server.errors import ApiError


class HostAndOrigin:
    """Refuses requests that name another host than ours, or come from a web page that is not allowed.

    Args:
        is_local: the server can be reached from this computer alone.
        hosts: more names that it may be called by.
        origins: web pages that may ask, as in "https://example.org"; "*" for all.
    """

    def __init__(self, app: ASGIApp, is_local: bool, hosts: Iterable[str] = (), origins: Iterable[str] = ()):
        self._app = app
        self._is_local = is_local
        self._hosts = {"localhost", *(name.lower() for name in hosts)}
        if not is_local:
            self._hosts |= {socket.gethostname().lower(), socket.gethostname().lower() + ".local"}
        self._origins = set(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        host, origin = headers.get("host", ""), headers.get("origin")
        error = None
        if len(headers.getlist("host")) != 1 or not self.is_ours(host):
            error = ApiError(
                "This server does not go by the name in the Host header: use its address, or allow the name by "
                "--allow-host.",
                403,
            )
        elif origin is not None and not self._origins & {"*", origin}:
            error = ApiError(
                "Web pages may not use this server; one can be allowed by --allow-origin and its origin.",
                403,
            )
        if error:
            await refusal(error)(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def is_ours(self, host: str) -> bool:
        """Whether a `Host` header's value names this server; its port does not matter."""
        name = host.lower()
        if name.startswith("["):
            name = name[1:].partition("]")[0]
        elif name.count(":") == 1:
            name = name.partition(":")[0]
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return name.removesuffix(".") in self._hosts
        # An address cannot be rebound, as no name stands between it and the page.
        return address.is_loopback or not self._is_local


class Key:
    """Refuses requests under /v1 without the right key."""

    def __init__(self, app: ASGIApp, key: str):
        self._app, self._key = app, key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scheme, _, shown = Headers(scope=scope).get("authorization", "").partition(" ")
        if scope["path"] == "/health" or (scheme.lower() == "bearer" and keys.is_right(shown.strip(), self._key)):
            await self._app(scope, receive, send)
            return
        error = ApiError(
            "The API key is missing or wrong: send the one that the server showed at its start, "
            "as in `Authorization: Bearer KEY`.",
            401,
            code="invalid_api_key",
            headers={"WWW-Authenticate": "Bearer"},
        )
        await refusal(error)(scope, receive, send)


def refusal(error: ApiError) -> JSONResponse:
    """The answer to a request that goes wrong."""
    return JSONResponse(error.body(), error.status, error.headers)
