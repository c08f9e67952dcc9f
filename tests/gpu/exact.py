"""The promise on this device: the same text with and without drafts and recordings, and as transformers write it."""

import torch
from gpu.place import Place, tiny
from gpu.table import Table

from s3d_core.engine import Engine
from s3d_core.load import stock_model
from s3d_core.settings import DraftSettings, SamplingSettings

GRID = [
    DraftSettings("plain"),
    DraftSettings("lookup", draft_length=3),
    DraftSettings("skip", skipped=1, draft_length=3),
    DraftSettings("s3d", skipped=1, draft_length=4, tree_size=16),
    DraftSettings("auto"),
]


def check(place: Place, table: Table) -> None:
    """Greedy and sampled texts of a small model in float32."""
    folder = place.write("exact", tiny(), torch.float32)
    bare = place.load(folder, "float32", recorded=False)
    adapter = place.save_adapter(bare.target)
    bare.close()
    recorded, eager = (place.load(folder, "float32", adapter, recorded=r) for r in (True, False))
    prompts = [place.prompt(5 + 9 * n) for n in range(1 if place.small else 4)]
    greedy = SamplingSettings(max_tokens=place.tokens)
    sampled = SamplingSettings(max_tokens=place.tokens, temperature=0.9, top_k=30, top_p=0.95, seed=7)
    model = stock_model(folder, torch.float32, place.device)
    expected = [_generate(model, prompt, place.tokens) for prompt in prompts]
    _compare(table, "float32, recorded, against transformers' greedy text", recorded, prompts, greedy, expected)
    _compare(table, "float32, unrecorded, against transformers' greedy text", eager, prompts, greedy, expected)
    texts = [_written(eager, prompt, GRID[0], sampled) for prompt in prompts]
    _compare(table, "float32, sampled, recorded, against unrecorded plain decoding", recorded, prompts, sampled, texts)
    for engine in (recorded, eager):
        engine.close()


def _compare(
    table: Table, what: str, engine: Engine, prompts: list[list[int]], sampling: SamplingSettings, expected: list
) -> None:
    ways = [(draft, prompt, text) for draft in GRID for prompt, text in zip(prompts, expected, strict=True)]
    same = [_written(engine, prompt, draft, sampling) == text for draft, prompt, text in ways]
    wrong = sorted({draft.strategy for (draft, _, _), equal in zip(ways, same, strict=True) if not equal})
    measured = f"{sum(same)} of {len(same)} texts are equal" + (f", not with {', '.join(wrong)}" if wrong else "")
    table.check(what, measured, "all", all(same))


def _written(engine: Engine, prompt: list[int], draft: DraftSettings, sampling: SamplingSettings) -> list[int]:
    return [token for done in engine.generate(prompt, draft, sampling) for token in done.ids]


def _generate(model, prompt: list[int], tokens: int) -> list[int]:
    ids = torch.tensor([prompt], device=model.device)
    options = {"do_sample": False, "max_new_tokens": tokens, "eos_token_id": None, "pad_token_id": 0}
    return model.generate(ids, attention_mask=torch.ones_like(ids), **options)[0, len(prompt) :].tolist()
