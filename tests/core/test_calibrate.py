"""Calibration: what is taken down is true, and the weights fitted to it make probabilities right."""

from itertools import product

import numpy as np
import torch
from core.models import build, random_adapter, word_tokenizer

from s3d_core.candidates import EVIDENCE, NO_TOKEN, NOISE, Candidates, default_calibration
from s3d_core.decode import Limits, prefill, rounds
from s3d_core.draft import Plain
from s3d_core.recall import Recall
from s3d_core.s3d import S3D
from s3d_core.sampling import Sampler
from s3d_core.settings import MAX_DRAFT_LENGTH, DraftSettings, SamplingSettings
from s3d_core.target import Target
from s3d_core.text import TextStream
from s3d_core.train.calibrate import fit, gather

SLOTS = 4


def test_weights_are_found_again_from_what_they_made():
    """Tokens drawn with known weights give these weights back, and a depth nothing is known of keeps its own."""
    dice = np.random.default_rng(0)
    true = default_calibration(SLOTS)[0] + dice.normal(size=EVIDENCE).astype(np.float32) * 0.5
    found = []
    for _ in range(6000):
        evidence = np.zeros((6, EVIDENCE), dtype=np.float32)
        evidence[:, 0] = -np.sort(-dice.normal(size=6) * 2)
        evidence[:, 1] = dice.normal(size=6)
        evidence[:, 2:] = dice.random((6, EVIDENCE - 2)) < 0.2
        scores = evidence @ true
        shares = np.exp(scores - scores.max())
        found.append((evidence, int(dice.choice(6, p=shares / shares.sum()))))
    weights = fit([found, [], found[:10], found], SLOTS)
    assert np.abs(weights[0] - true).max() < 0.25
    assert np.abs(weights[3] - weights[0]).max() < 1e-3
    assert np.array_equal(weights[1:3], default_calibration(SLOTS)[1:3])


@torch.inference_mode()
def test_the_examples_are_the_text_that_came(monkeypatch):
    target = Target(build("llama"))
    strategy = S3D(target, random_adapter(target, SLOTS), Recall())
    seen = {}
    evidence = Candidates.evidence

    def noted(self, path):
        tokens, found = evidence(self, path)
        seen[id(found)] = (found, path, tokens)
        return tokens, found

    monkeypatch.setattr(Candidates, "evidence", noted)
    draft, prompts = DraftSettings("s3d", 2, SLOTS, 8), [[5, 9, 3, 5, 9], [7, 3]]
    limits, temperatures = Limits(frozenset(), 200), (0.0, 1.5)
    examples = gather(target, strategy, word_tokenizer(), prompts, limits, draft, temperatures, 30)
    assert len(examples) == MAX_DRAFT_LENGTH
    assert [len(depth) for depth in examples] == sorted((len(depth) for depth in examples), reverse=True)
    texts = []
    for number, (prompt, temperature) in enumerate(product(prompts, temperatures)):
        cache, text = target.new_cache(), list(prompt)
        prefill(target, cache, text)
        for _ in rounds(
            target,
            cache,
            text,
            {"s3d": Plain()},
            lambda: draft,
            Sampler(SamplingSettings(temperature=temperature, seed=number, max_tokens=30)),
            TextStream(word_tokenizer()),
            limits,
        ):
            pass
        texts.append(text)
    known = 0
    for depth, found in enumerate(examples):
        for table, came in found:
            _, path, tokens = seen[id(table)]
            assert len(path) == depth
            assert len(tokens) == len(table)
            followers = {t[i + depth] for t in texts for i in range(len(t) - depth) if tuple(t[i : i + depth]) == path}
            if tokens[came] == NO_TOKEN:
                assert followers - set(tokens)
            else:
                assert tokens[came] in followers
                known += 1
    assert known > 20
    assert any(table[:, NOISE].any() for found in examples for table, _ in found)
