"""Batched decoding for writing a corpus: a row that ends hands its place to the next prompt at once."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F

from s3d_core.target import Target


@dataclass
class Job:
    """One text to be continued; `reply` holds the tokens written, the stop token included."""

    ids: list[int]
    temperature: float
    max_tokens: int
    origin: str
    reply: list[int] = field(default_factory=list)


class Writer:
    """Continues many texts at once, each in a row of its own with its own length.

    Args:
        target: the model.
        stop_ids: tokens that end a text.
        rows: texts continued at once.
        context: most tokens of a text and its continuation together. It is cut to what the model
            was made for, and for a long-rope model to where its frequencies change, since the rows
            of a step share them.
    """

    def __init__(self, target: Target, stop_ids: set[int], rows: int, context: int, seed: int):
        context = min(context, target.context_limit, target.rope_switch or context)
        self.target, self.stop_ids, self.context = target, stop_ids, context
        shape = (rows, target.kv_heads, context, target.head_dim)
        options: dict[str, Any] = {"dtype": target.dtype, "device": target.device}
        self.keys = [torch.zeros(shape, **options) for _ in target.layers]
        self.values = [torch.zeros(shape, **options) for _ in target.layers]
        self.random = torch.Generator(target.device).manual_seed(seed)

    @torch.inference_mode()
    def write(self, jobs: Iterator[Job]) -> Iterator[Job]:
        """Yield jobs as they end, in the order in which they end."""
        rows: list[Job | None] = [None] * self.keys[0].shape[0]
        while True:
            for i, held in enumerate(rows):
                if held is None and (job := next(jobs, None)) is not None:
                    rows[i] = job
                    job.reply.append(int(self._pick(self._prefill(i, job.ids), [job.temperature])[0]))
            live = [(i, job) for i, job in enumerate(rows) if job is not None]
            if not live:
                return
            ended = [(i, job) for i, job in live if self._has_ended(job)]
            for i, job in ended:
                rows[i] = None
                yield job
            live = [(i, job) for i, job in live if rows[i] is not None]
            if live:
                self._step(live)

    def _has_ended(self, job: Job) -> bool:
        written = len(job.reply)
        full = len(job.ids) + written >= self.context
        return job.reply[-1] in self.stop_ids or written >= job.max_tokens or full

    def _prefill(self, row: int, ids: list[int]) -> torch.Tensor:
        target, n = self.target, len(ids)
        device = target.device
        group = target.heads // target.kv_heads
        causal = torch.ones(n, n, dtype=torch.bool, device=device).tril()
        masks = {w: None if w is None or w >= n else causal.triu(1 - w) for w in target.windows}

        def attend(i, query, key, value):
            key, value = key.transpose(0, 1), value.transpose(0, 1)
            self.keys[i][row, :, :n] = key
            self.values[i][row, :, :n] = value
            key, value = (t[None].repeat_interleave(group, 1) for t in (key, value))
            mask = masks[target.layers[i].window]
            query = query.transpose(0, 1)[None]
            out = F.scaled_dot_product_attention(query, key, value, attn_mask=mask, is_causal=mask is None)
            return out[0].transpose(0, 1).flatten(1)

        positions = torch.arange(n, device=device)
        x = target.embed(torch.tensor(ids, device=device))
        x = target.run(x, target.rope(positions, n - 1), range(target.depth), attend)
        return target.logits(x[-1:])

    def _step(self, live: list[tuple[int, Job]]) -> None:
        target, device = self.target, self.target.device
        index = torch.tensor([i for i, _ in live], device=device)
        lengths = [len(job.ids) + len(job.reply) - 1 for _, job in live]
        positions = torch.tensor(lengths, device=device)
        longest = max(lengths) + 1
        slots, at = torch.arange(longest, device=device), positions[:, None, None, None]
        masks = {}
        for window in target.windows:
            seen = slots <= at if window is None else (slots <= at) & (slots > at - window)
            masks[window] = torch.zeros(seen.shape, dtype=target.dtype, device=device)
            masks[window].masked_fill_(~seen, float("-inf"))
        all_rows = len(live) == self.keys[0].shape[0]

        def attend(i, query, key, value):
            self.keys[i][index, :, positions] = key
            self.values[i][index, :, positions] = value
            keys, values = self.keys[i][:, :, :longest], self.values[i][:, :, :longest]
            if not all_rows:
                keys, values = keys[index], values[index]
            folded = query.unflatten(1, (target.kv_heads, -1))
            mask = masks[target.layers[i].window]
            return F.scaled_dot_product_attention(folded, keys, values, attn_mask=mask).flatten(1)

        x = target.embed(torch.tensor([job.reply[-1] for _, job in live], device=device))
        x = target.run(x, target.rope(positions, longest - 1), range(target.depth), attend)
        picked = self._pick(target.logits(x), [job.temperature for _, job in live])
        for (_, job), token in zip(live, picked.tolist(), strict=True):
            job.reply.append(token)

    def _pick(self, logits: torch.Tensor, temperatures: list[float]) -> torch.Tensor:
        picked = logits.argmax(dim=-1)
        sampled = [i for i, t in enumerate(temperatures) if t > 0]
        if sampled:
            # By the inverse of the cumulated distribution: one random number a row, not one a word.
            heat = torch.tensor([temperatures[i] for i in sampled], device=logits.device)[:, None]
            cumulated = (logits[sampled].float() / heat).softmax(dim=-1).cumsum(dim=-1)
            dice = torch.rand(len(sampled), 1, generator=self.random, device=logits.device)
            drawn = torch.searchsorted(cumulated, dice * cumulated[:, -1:]).squeeze(1)
            picked[sampled] = drawn.clamp_(max=logits.shape[-1] - 1)
        return picked
