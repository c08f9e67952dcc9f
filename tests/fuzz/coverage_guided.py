"""The readers that are plain Python, fuzzed by coverage with atheris (Linux, Python 3.11 to 3.13, not among our pins):

    pip install atheris
    python tests/fuzz/coverage_guided.py gguf -max_total_time=600

The first word is one of `READERS`; the others go to libFuzzer. An input that crashes or hangs is written to a file.
"""

import contextlib
import json
import sys
import tempfile
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS.parent), str(TESTS)]

import atheris  # noqa: E402
from fuzz.bytes_and_json import GGUF, SAFETENSORS  # noqa: E402

with atheris.instrument_imports(include=["app", "s3d_core", "markdown_it"]):
    from app.models import manifest, wholeness
    from app.server import requests
    from app.server.api import USUAL
    from app.server.errors import ApiError
    from app.ui.chat import markdown
    from s3d_core import trust
    from s3d_core.errors import S3DError

FOLDER = Path(tempfile.mkdtemp(prefix="s3d-fuzz-"))


def gguf(content: bytes) -> None:
    """A GGUF file's header."""
    wholeness._gguf_bytes.cache_clear()
    _file("any.gguf", content, wholeness.check_file)


def safetensors(content: bytes) -> None:
    """A safetensors file's header, whose length is put before it."""
    wholeness._safetensors_bytes.cache_clear()
    _file("any.safetensors", len(content).to_bytes(8, "little") + content, wholeness.check_file)


def index(content: bytes) -> None:
    """An index of shards, a config and a manifest."""
    _file(trust.INDEX, content, lambda file: trust.weight_files(file.parent))
    _file("config.json", content, lambda file: trust.check_config(file.parent, ("LlamaForCausalLM",)))
    _file(manifest.NAME, content, lambda file: manifest.read(file.parent))


def text(content: bytes) -> None:
    """Markdown."""
    shown = content.decode("utf-8", errors="replace")
    markdown.parse(shown, bytes(len(shown)))


def request(content: bytes) -> None:
    """A request to the server."""
    try:
        requests.chat(requests.read_body(content), USUAL, 1000)
    except ApiError as error:
        json.dumps(error.body())


SEEDS = {
    "gguf": GGUF,
    "safetensors": SAFETENSORS[8:-32],
    "index": b'{"weight_map": {"a": "a.safetensors"}, "architectures": ["LlamaForCausalLM"], "name": "a", "files": []}',
    "text": b"# A\n\n- *b* `c`\n\n```py\nd\n```\n\n| e |\n|--|\n| f |\n",
    "request": b'{"messages": [{"role": "user", "content": "Hi"}], "stop": ["x"], "seed": 3, "s3d": {"skipped": 2}}',
}
READERS = {reader.__name__: reader for reader in (gguf, safetensors, index, text, request)}


def _file(name: str, content: bytes, read) -> None:
    file = FOLDER / name
    file.write_bytes(content)
    with contextlib.suppress(S3DError):
        read(file)


if __name__ == "__main__":
    chosen = READERS.get(sys.argv[1] if sys.argv[1:] else "")
    if chosen is None:
        sys.exit(f"Name one of {', '.join(READERS)} first.")
    corpus = FOLDER / "corpus"
    corpus.mkdir()
    (corpus / "seed").write_bytes(SEEDS[chosen.__name__])
    atheris.Setup([sys.argv[0], *sys.argv[2:], str(corpus)], chosen)
    atheris.Fuzz()
