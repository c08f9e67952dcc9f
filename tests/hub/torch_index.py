"""A package index on the loopback interface, with a PyTorch for GPUs that the tests make themselves."""

import hashlib
import io
import json
import zipfile

from hub.server import HubServer
from packaging.tags import sys_tags

# As much of torch as a trial asks for.
TORCH = """
import types

__version__ = "{version}"
version = types.SimpleNamespace(cuda="12.6")


class _Matrix:
    def __matmul__(self, other):
        return self

    def sum(self):
        return 64.0**3


def ones(*shape, device):
    assert device == "cuda"
    return _Matrix()


cuda = types.SimpleNamespace(is_available=lambda: {available}, get_device_name=lambda index: "NVIDIA RTX 4090")
{more}
"""
LIBRARY = b"\x7fELF" + bytes(range(256)) * 2000


def wheel(name: str, version: str, files: dict[str, bytes], requires: tuple[str, ...] = ()) -> bytes:
    """A wheel's bytes."""
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    metadata += "".join(f"Requires-Dist: {line}\n" for line in requires)
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for path, body in files.items():
            archive.writestr(path, body)
        archive.writestr(f"{name.replace('-', '_')}-{version}.dist-info/METADATA", metadata)
    return made.getvalue()


def torch_wheel(version: str, available: bool = True, more: str = "") -> bytes:
    """A PyTorch that says it has a GPU; it asks for two libraries, one of them by way of a list."""
    source = TORCH.format(version=version, available=available, more=more)
    return wheel(
        "torch",
        version,
        {"torch/__init__.py": source.encode(), "torch/lib/libtorch_cuda.so": LIBRARY, "torch/include/a.h": b"//"},
        (
            "filelock",
            "nvidia-fast==1.2.*",
            'cuda-list[fast]==1.0; python_version >= "3"',
            'nvidia-never==1.0; sys_platform == "plan9"',
        ),
    )


class Index:
    """What a test's index holds. `publish` puts it onto a server."""

    def __init__(self, server: HubServer, build: str = "cu126", form: str = "html", torch: bytes = b""):
        self.server, self.build, self.form = server, build, form
        self.version = f"2.13.0+{build}"
        tag = next(tag for tag in sys_tags() if tag.interpreter.startswith("cp"))
        self.torch_name = f"torch-{self.version}-{tag}.whl"
        self.files = {
            "torch": {
                self.torch_name: torch or torch_wheel(self.version),
                "torch-2.12.0+cu126-py3-none-any.whl": b"old",
            },
            "nvidia-fast": {
                "nvidia_fast-1.2.3-py3-none-any.whl": wheel(
                    "nvidia-fast", "1.2.3", {"nvidia/fast/lib/fast.so": LIBRARY}
                ),
                "nvidia_fast-1.3.0-py3-none-any.whl": b"newer",
            },
            "cuda-list": {
                "cuda_list-1.0-py3-none-any.whl": wheel(
                    "cuda-list", "1.0", {"cuda/list.txt": b"list"}, ('nvidia-also==2.0; extra == "fast"',)
                )
            },
            "nvidia-also": {
                "nvidia_also-2.0-py3-none-any.whl": wheel("nvidia-also", "2.0", {"nvidia/also/also.so": LIBRARY})
            },
        }

    def path(self, name: str) -> str:
        """Where a file lies on the server."""
        return f"/files/{name}"

    def chosen(self) -> list[bytes]:
        """The wheels that are wanted."""
        return [next(iter(files.values())) for files in self.files.values()]

    def publish(self, without_digest: str = "") -> "Index":
        """Put it all there."""
        for project, files in self.files.items():
            for name, body in files.items():
                self.server.plain[self.path(name)] = ("application/zip", body)
                self.server.plain[self.path(name) + ".metadata"] = ("text/plain", _metadata(body))
            entries = [(name, body, name != without_digest) for name, body in files.items()]
            page = _json(self, entries) if self.form == "json" else _html(self, entries)
            kind = "application/vnd.pypi.simple.v1+json" if self.form == "json" else "text/html; charset=utf-8"
            self.server.plain[f"/whl/{self.build}/{project}/"] = (kind, page)
        return self


def _metadata(body: bytes) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            return archive.read(next(name for name in archive.namelist() if name.endswith("METADATA")))
    except zipfile.BadZipFile:
        return b""


def _html(index: Index, entries) -> bytes:
    lines = ["<!DOCTYPE html><html><body><h1>Links</h1>"]
    for name, body, told in entries:
        digest = f"#sha256={hashlib.sha256(body).hexdigest()}" if told else ""
        meta = hashlib.sha256(_metadata(body)).hexdigest()
        address = index.path(name).replace("+", "%2B") + digest
        lines.append(f'<a href="{address}" data-core-metadata="sha256={meta}">{name}</a><br/>')
    return "\n".join(lines).encode()


def _json(index: Index, entries) -> bytes:
    files = [
        {
            "filename": name,
            "url": f"../../../files/{name.replace('+', '%2B')}",
            "hashes": {"sha256": hashlib.sha256(body).hexdigest()} if told else {},
            "size": len(body),
            "core-metadata": {"sha256": hashlib.sha256(_metadata(body)).hexdigest()},
        }
        for name, body, told in entries
    ]
    return json.dumps({"meta": {"api-version": "1.1"}, "files": files}).encode()
