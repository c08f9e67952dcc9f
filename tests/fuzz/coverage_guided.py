"""The readers and the decoder, fuzzed by coverage with atheris (Linux, Python 3.11 to 3.13):

    pip install -e ".[fuzz]"
    python tests/fuzz/coverage_guided.py gguf -max_total_time=600

The first word is one of `FUZZERS`; the others go to libFuzzer. An input that crashes or hangs is written to a file.
"""

import contextlib
import functools
import logging
import sys
import tempfile
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS.parent), str(TESTS)]

import atheris  # noqa: E402
from fuzz.bytes_and_json import GGUF, SAFETENSORS  # noqa: E402

# JSON is read by C code, in which no line can be told from another: what is a step nearer to JSON would look like any
# other bytes. So the same reader in Python takes its place, which stands beside it in the standard library.
for name in [name for name in sys.modules if name.partition(".")[0] == "json"]:
    del sys.modules[name]

with atheris.instrument_imports(include=["app", "json", "s3d_core", "markdown_it"]):
    import json
    import json.decoder
    import json.scanner

    json.scanner.make_scanner = json.scanner.py_make_scanner
    json.decoder.scanstring = json.decoder.py_scanstring
    json._default_decoder = json.JSONDecoder()

    from app.chats.errors import ImportRefusedError
    from app.chats.exchange import as_json, import_chats
    from app.chats.store import Store
    from app.models import catalogue, manifest, wholeness
    from app.server import requests
    from app.server.api import USUAL
    from app.server.errors import ApiError
    from app.settings import file as settings_file
    from app.settings.values import Settings
    from app.ui.chat import markdown
    from s3d_core import trust
    from s3d_core.adapter import CARD, WEIGHTS, Adapter
    from s3d_core.errors import S3DError
    from s3d_core.settings import MAX_DRAFT_LENGTH, MAX_TREE_SIZE, STRATEGIES, DraftSettings, SamplingSettings

import torch  # noqa: E402
from core.models import VOCABULARY, build, engine_for, random_adapter  # noqa: E402
from fuzz.decoding import check_answer, check_tree  # noqa: E402

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


def settings(content: bytes) -> None:
    """A settings file, and what is written in its place."""
    for old in FOLDER.glob("settings*"):
        old.unlink()
    file = FOLDER / "settings.json"
    file.write_bytes(content)
    kept, said = settings_file.load(file)
    assert said == "" or said.endswith(".")
    settings_file.save(kept, file)
    assert settings_file.load(file) == (kept, "")


def catalogues(content: bytes) -> None:
    """A catalogue of models."""
    _file("catalogue.json", content, catalogue.read)


def chats(content: bytes) -> None:
    """An exported file of chats, and what is exported of it again."""
    with contextlib.closing(Store()) as store:
        with contextlib.suppress(ImportRefusedError):
            import_chats(store, content.decode("utf-8", errors="surrogateescape"))
        again = as_json(store, store.chats())
        with contextlib.closing(Store()) as other:
            import_chats(other, again)


def adapter(content: bytes) -> None:
    """A draft adapter: its card, or its weights' header, or its tensors; the first byte says which."""
    folder, whole = _adapter()
    name = CARD if content[:1] < b"U" else WEIGHTS
    changed = content[1:]
    if name == WEIGHTS and content[:1] < b"\xaa":
        changed += whole[WEIGHTS][len(changed) :]  # only the start is another
    for part, held in whole.items():
        (folder / part).write_bytes(changed if part == name else held)
    with contextlib.suppress(S3DError):
        Adapter.load(folder, _engine("llama").target)


def tree(content: bytes) -> None:
    """The builder of candidate trees."""
    given = atheris.FuzzedDataProvider(content)
    scores = [0.0, -0.0, float("-inf"), -1.0]
    tables = [
        [
            given.PickValueInList(scores) if given.ConsumeBool() else -abs(given.ConsumeFloatInRange(0, 50))
            for _ in range(given.ConsumeIntInRange(1, 8))
        ]
        for _ in range(given.ConsumeIntInRange(1, 6))
    ]
    check_tree(
        tables,
        given.ConsumeIntInRange(1, MAX_TREE_SIZE),
        given.ConsumeIntInRange(1, MAX_DRAFT_LENGTH),
        given.ConsumeFloatInRange(0, 1),
    )


def answer(content: bytes) -> None:
    """The decoding loop: settings that change every round, stops anywhere, an answer that was stopped before."""
    given = atheris.FuzzedDataProvider(content)

    def whole(least: int, most: int) -> int:
        return given.ConsumeIntInRange(least, most)

    engine = _engine(given.PickValueInList(["llama", "mistral window 24", "phi3 long rope"]))
    pattern = [whole(3, VOCABULARY - 1) for _ in range(whole(1, 12))]
    sampling = SamplingSettings(
        temperature=given.PickValueInList([0.0, 0.3, 0.8, 1.5]),
        top_k=given.PickValueInList([0, 1, 5, 40]),
        top_p=given.PickValueInList([1.0, 0.9, 0.3]),
        min_p=given.PickValueInList([0.0, 0.05, 0.5]),
        repetition_penalty=given.PickValueInList([1.0, 1.3, 0.8]),
        seed=whole(0, 2**63 - 1),
        max_tokens=whole(1, 40),
        stop=tuple(given.PickValueInList(["w7 ", "w1", "w20 w", " w3", "w9 w9 "]) for _ in range(whole(0, 2))),
    )
    moves = [
        DraftSettings(
            strategy=given.PickValueInList(list(STRATEGIES)),
            skipped=whole(0, 4),
            draft_length=whole(1, MAX_DRAFT_LENGTH),
            tree_size=given.PickValueInList([1, 2, 3, 7, 8, 16, MAX_TREE_SIZE]),
            least_probability=given.PickValueInList([0.0, 0.06, 0.5, 1.0]),
        )
        for _ in range(whole(1, 6))
    ]
    engine.stop_ids = frozenset({2, *(whole(3, VOCABULARY - 1) for _ in range(whole(0, 3)))})
    check_answer(
        engine,
        (pattern * 30)[: whole(1, 90)],
        sampling,
        moves,
        stopped_after=whole(0, 5),
        probe_every=given.PickValueInList([0, 3, 24]),
    )


FUZZERS = {
    fuzzer.__name__: fuzzer
    for fuzzer in (gguf, safetensors, index, text, request, settings, catalogues, chats, adapter, tree, answer)
}


def seed_of(name: str) -> bytes:
    """What a fuzzer begins with: something whole."""
    match name:
        case "gguf":
            return GGUF
        case "safetensors":
            return SAFETENSORS[8:-32]
        case "index":
            listed = b'{"weight_map": {"a": "a.safetensors"}, "architectures": ["LlamaForCausalLM"], '
            return listed + b'"name": "a", "files": []}'
        case "text":
            return b"# A\n\n- *b* `c`\n\n```py\nd\n```\n\n| e |\n|--|\n| f |\n"
        case "request":
            return b'{"messages": [{"role": "user", "content": "Hi"}], "stop": ["x"], "seed": 3, "s3d": {"skipped": 2}}'
        case "settings":
            return json.dumps(Settings().model_dump(mode="json")).encode()
        case "catalogues":
            return catalogue.PATH.read_bytes()
        case "chats":
            return _chats()
        case "adapter":
            return b"\0" + _adapter()[1][CARD]
    return bytes(range(200))


def _file(name: str, content: bytes, read) -> None:
    file = FOLDER / name
    file.write_bytes(content)
    with contextlib.suppress(S3DError):
        read(file)


@functools.cache
def _engine(name: str):
    """A small model with random weights, and a random adapter."""
    return engine_for(build(name))


@functools.cache
def _adapter() -> tuple[Path, dict[str, bytes]]:
    """A folder with an adapter for the model "llama", and its files."""
    target = _engine("llama").target
    made = random_adapter(target)
    made.card = {"base_model": "tiny", "fingerprint": target.fingerprint(), "defaults": {"skipped": 2}}
    folder = FOLDER / "adapter"
    made.save(folder, torch.float32)
    return folder, {name: (folder / name).read_bytes() for name in (CARD, WEIGHTS)}


def _chats() -> bytes:
    with contextlib.closing(Store()) as store:
        chat = store.add_chat("A title")
        user = store.add_message(chat.id, None, "user", [("Hello", False)], "stop")
        store.add_message(chat.id, user.id, "assistant", [("One", False), (" answer", True)], "stop")
        return as_json(store, store.chats()).encode()


if __name__ == "__main__":
    chosen = FUZZERS.get(sys.argv[1] if sys.argv[1:] else "")
    if chosen is None:
        sys.exit(f"Name one of {', '.join(FUZZERS)} first.")
    torch.set_num_threads(1)
    logging.disable()
    corpus = FOLDER / "corpus"
    corpus.mkdir()
    (corpus / "seed").write_bytes(seed_of(chosen.__name__))
    ascii_alone = ["-only_ascii=1"] if chosen in (index, request, settings, catalogues, chats) else []
    atheris.Setup([sys.argv[0], *ascii_alone, *sys.argv[2:], str(corpus)], chosen)
    atheris.Fuzz()
