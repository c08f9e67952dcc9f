"""A hub on the loopback interface, with the endpoints that `huggingface_hub` uses and faults on demand.

    GET  /api/models/<repo>[/revision/<revision>]        the repo, its commit and files
    GET  /api/models/<repo>/tree/<revision>              its files
    GET, HEAD /<repo>/resolve/<revision>/<path>          a file: its bytes, or a redirect to large file storage
    GET, HEAD /lfs/<sha256>                              large file storage, on another host name
    GET, HEAD any path in `plain`                        that file, as any server of files gives it

Faults wait in `faults`, by path ("api" for the API), and each meets one request. `sent` counts the bytes of bodies of
files, as they are handed to the system.
"""

import hashlib
import json
import re
import socket
import ssl
import struct
import sys
import threading
import time
from collections import defaultdict, deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

_PIECE = 16_384


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one request.

    Attributes:
        kind: "status" (with `status` and `retry_after`), "truncated", "reset", "wrong", "drip", "drop" (no answer at
            all), "stall" (the body ends in silence), "whole" (the Range is ignored), "rubbish" (a web page instead).
        at: where in the body it happens, 0 to 1.
    """

    kind: str
    at: float = 0.5
    status: int = 503
    retry_after: int | None = None


@dataclass
class Repo:
    """A repo: its files by path. Those of at least `lfs_from` bytes are in large file storage."""

    files: dict[str, bytes]
    gated: bool = False
    allowed: tuple[str, ...] = ()
    licence: str = "apache-2.0"
    lfs_from: int = 10_000
    gguf: dict | None = None
    commit: str = ""

    def __post_init__(self):
        if not self.commit:
            names = "".join(f"{path}{hashlib.sha1(body).hexdigest()}" for path, body in sorted(self.files.items()))
            self.commit = hashlib.sha1(names.encode()).hexdigest()

    def is_lfs(self, path: str) -> bool:
        return len(self.files[path]) >= self.lfs_from


def blob_id(body: bytes) -> str:
    """Git's name for a content."""
    return hashlib.sha1(b"blob %d\0" % len(body) + body).hexdigest()


@dataclass
class HubServer:
    """Use it with `with`; `address` is what HF_ENDPOINT is set to.

    Attributes:
        repos: by "owner/name". plain: other files by path, each with its kind.
        faults: what will go wrong.
        sent: bytes of bodies sent, by path. spoiled: how many bodies with a wrong byte were sent, by path.
        requests: (method, path of the address, headers) of all requests, in order.
        bytes_per_second: how fast bodies are sent; None for as fast as can be.
    """

    repos: dict[str, Repo] = field(default_factory=dict)
    bytes_per_second: float | None = None
    tls: ssl.SSLContext | None = None
    faults: dict[str, deque] = field(default_factory=lambda: defaultdict(deque))
    sent: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    spoiled: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    requests: list = field(default_factory=list)
    plain: dict[str, tuple[str, bytes]] = field(default_factory=dict)

    def __enter__(self) -> "HubServer":
        hub = self

        class Handler(_Handler):
            server_state = hub

        self._http = _Server(("127.0.0.1", 0), Handler)
        if self.tls:
            self._http.socket = self.tls.wrap_socket(self._http.socket, server_side=True)
        self.port = self._http.server_address[1]
        self.over = threading.Event()
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), name="hub", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error) -> None:
        self.over.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    @property
    def address(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def forget(self) -> None:
        """Begin to count anew, without faults."""
        for each in (self.faults, self.sent, self.spoiled, self.requests):
            each.clear()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def server_bind(self):
        # What waits in this computer's buffers when a client dies would count as sent.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * _PIECE)
        super().server_bind()

    def handle_error(self, request, client_address):
        pass  # clients go away in the middle: that is what is tested


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_state: HubServer

    def log_message(self, *arguments):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        hub = self.server_state
        path = unquote(urlsplit(self.path).path)  # a proxy is asked for a whole address
        hub.requests.append((self.command, path, dict(self.headers)))
        if match := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/(revision|tree)/([^/]+))?", path):
            self._api(match[1], match[2], match[3] or "main")
        elif match := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            self._resolve(match[1], match[2], match[3])
        elif match := re.fullmatch(r"/lfs/([0-9a-f]{64})/(.+)", path):
            self._lfs(match[1], match[2])
        elif path in hub.plain:
            self._plain(path)
        else:
            self._say(404, {"error": "not found"})

    # -- endpoints -----------------------------------------------------------------------------------------------

    def _api(self, repo_id: str, kind: str | None, revision: str) -> None:
        fault = self._next_fault("api")
        repo = self._allowed(repo_id, revision, fault)
        if repo is None:
            return
        if kind == "tree":
            self._say(200, [_tree_entry(repo, path) for path in repo.files])
            return
        self._say(
            200,
            {
                "_id": "1",
                "id": repo_id,
                "modelId": repo_id,
                "sha": repo.commit,
                "private": False,
                "gated": "manual" if repo.gated else False,
                "disabled": False,
                "tags": [f"license:{repo.licence}"],
                "cardData": {"license": repo.licence},
                "siblings": [_sibling(repo, path) for path in repo.files],
                **({"gguf": repo.gguf} if repo.gguf else {}),
            },
        )

    def _resolve(self, repo_id: str, revision: str, path: str) -> None:
        hub = self.server_state
        known = hub.repos.get(repo_id)
        lfs = known is not None and path in known.files and known.is_lfs(path)
        # A large file's faults wait at the storage.
        fault = None if lfs else self._next_fault(path)
        repo = self._allowed(repo_id, revision, fault)
        if repo is None:
            return
        if path not in repo.files:
            self._say(404, {"error": "Entry not found"}, {"X-Error-Code": "EntryNotFound"})
            return
        body = repo.files[path]
        digest = hashlib.sha256(body).hexdigest() if lfs else blob_id(body)
        headers = {"X-Repo-Commit": repo.commit, "ETag": f'"{digest}"', "X-Linked-Size": str(len(body))}
        if lfs:
            scheme = "https" if hub.tls else "http"
            headers |= {
                "X-Linked-Etag": f'"{digest}"',
                "Location": f"{scheme}://localhost:{hub.port}/lfs/{digest}/{path}",
            }
            self._say(302, None, headers)
            return
        self._send_file(path, body, headers, fault)

    def _lfs(self, digest: str, path: str) -> None:
        fault = self._next_fault(path)
        if fault is not None and self._refused(fault):
            return
        for repo in self.server_state.repos.values():
            body = repo.files.get(path)
            if body is not None and hashlib.sha256(body).hexdigest() == digest:
                self._send_file(path, body, {"ETag": f'"{digest}"'}, fault)
                return
        self._say(404, {"error": "not found"})

    def _plain(self, path: str) -> None:
        fault = self._next_fault(path)
        if fault is None or not self._refused(fault):
            kind, body = self.server_state.plain[path]
            self._send_file(path, body, {"Content-Type": kind}, fault)

    # -- who may see what ----------------------------------------------------------------------------------------

    def _allowed(self, repo_id: str, revision: str, fault: Fault | None) -> Repo | None:
        """The repo, unless an error was sent."""
        if fault is not None and self._refused(fault):
            return None
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        repo = self.server_state.repos.get(repo_id)
        if repo is None:
            self._say(401, {"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"})
        elif repo.gated and token not in repo.allowed:
            self._say(403 if token else 401, {"error": "gated"}, {"X-Error-Code": "GatedRepo"})
        elif revision not in ("main", repo.commit):
            self._say(404, {"error": "Invalid rev id"}, {"X-Error-Code": "RevisionNotFound"})
        else:
            return repo
        return None

    def _next_fault(self, path: str) -> Fault | None:
        waiting = self.server_state.faults.get(path)
        return waiting.popleft() if waiting and self.command == "GET" else None

    def _refused(self, fault: Fault) -> bool:
        """Whether a fault took the place of the answer."""
        if fault.kind == "status":
            after = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
            self._say(fault.status, {"error": "not now"}, after)
        elif fault.kind == "rubbish":
            self._raw(200, b"<html>Please log in to the network</html>", {"Content-Type": "text/html"})
        elif fault.kind == "drop":
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
        else:
            return False
        return True

    # -- answers -------------------------------------------------------------------------------------------------

    def _say(self, status: int, content, headers: dict | None = None) -> None:
        body = b"" if content is None else json.dumps(content).encode()
        self._raw(status, body, {"Content-Type": "application/json", **(headers or {})})

    def _raw(self, status: int, body: bytes, headers: dict) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def _send_file(self, path: str, body: bytes, headers: dict, fault: Fault | None) -> None:
        kind = fault.kind if fault else ""
        start, status = 0, 200
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if asked and kind != "whole":
            start, end = int(asked[1]), int(asked[2] or len(body) - 1)
            if start >= len(body):
                self._raw(416, b"", {"Content-Range": f"bytes */{len(body)}"})
                return
            headers = {**headers, "Content-Range": f"bytes {start}-{end}/{len(body)}"}
            body, status = body[: end + 1], 206
        part = bytearray(body[start:])
        breaks_at = int(len(part) * fault.at) if fault else len(part)
        if kind == "wrong" and part:
            part[min(breaks_at, len(part) - 1)] ^= 1
            self.server_state.spoiled[path] += 1
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(part)), "Accept-Ranges": "bytes"}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        ends_early = kind in ("truncated", "reset", "stall")
        self._pump(path, bytes(part[:breaks_at] if ends_early else part), slowly=kind == "drip")
        if ends_early:
            self._break(kind)

    def _pump(self, path: str, part: bytes, slowly: bool) -> None:
        hub = self.server_state
        piece = max(1, len(part) // 20) if slowly else _PIECE
        pause = 0.002 if slowly else (piece / hub.bytes_per_second if hub.bytes_per_second else 0.0)
        for at in range(0, len(part), piece):
            chunk = part[at : at + piece]
            self.wfile.write(chunk)
            self.wfile.flush()
            hub.sent[path] += len(chunk)
            if pause:
                time.sleep(pause)

    def _break(self, kind: str) -> None:
        self.close_connection = True
        if kind == "stall":
            self.server_state.over.wait(30)
            return
        if kind == "reset":
            # What is still in this side's buffer would be lost with the reset, though it counts as sent.
            deadline = time.monotonic() + 2
            while _unsent(self.connection) and time.monotonic() < deadline:
                time.sleep(0.001)
            time.sleep(0.002)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        else:
            self.connection.shutdown(socket.SHUT_WR)


def _unsent(connection: socket.socket) -> int:
    """Bytes that the other side has not confirmed, where the system tells."""
    if sys.platform == "win32":
        return 0
    import fcntl
    import termios

    return struct.unpack("i", fcntl.ioctl(connection, termios.TIOCOUTQ, bytes(4)))[0]


def _sibling(repo: Repo, path: str) -> dict:
    body = repo.files[path]
    entry = {"rfilename": path, "size": len(body), "blobId": blob_id(body)}
    if repo.is_lfs(path):
        entry["lfs"] = {"sha256": hashlib.sha256(body).hexdigest(), "size": len(body), "pointerSize": 134}
    return entry


def _tree_entry(repo: Repo, path: str) -> dict:
    body = repo.files[path]
    entry = {"type": "file", "path": path, "size": len(body), "oid": blob_id(body)}
    if repo.is_lfs(path):
        entry["lfs"] = {"oid": hashlib.sha256(body).hexdigest(), "size": len(body), "pointerSize": 134}
    return entry
