"""S3D inside transformers: a callable for the `custom_generate` argument of `generate`.

s3d = S3DGenerate(model)
model.generate(**inputs, custom_generate=s3d, max_new_tokens=200, streamer=streamer)

Greedy text is the one that `generate` writes without it (to the last token in float32). Sampled text
follows the same distribution, with noise of this project's own: the same seed gives the same text.
"""

import copy
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers.generation import GenerateDecoderOnlyOutput

from s3d_core.adapter import Adapter
from s3d_core.decode import Limits, prefill, rounds
from s3d_core.engine import ADAPTERS, Engine, find_adapter
from s3d_core.errors import ModelError, SettingError
from s3d_core.load import Loaded
from s3d_core.sampling import Sampler
from s3d_core.settings import DraftSettings, SamplingSettings
from s3d_core.target import Target
from s3d_core.text import Pieces, TextStream

# Ways of decoding that cannot be had together with this one: generation setting -> what it asks for.
_OTHER_WAYS = {
    "constraints": "constraints",
    "force_words_ids": "forced words",
    "penalty_alpha": "contrastive search",
    "dola_layers": "DoLa",
    "prompt_lookup_num_tokens": "prompt lookup",
    "assistant_early_exit": "early exit",
    "use_mtp": "multi-token prediction",
    "output_scores": "scores",
    "output_logits": "logits",
    "output_attentions": "attentions",
    "output_hidden_states": "hidden states",
}


class S3DGenerate:
    """Self-speculative decoding of one transformers model, whole for `custom_generate`.

    The model stays usable: its parameters are shared, not taken. Only the joined matrices are new
    memory: where a checkpoint keeps query, key and value or gate and up apart, their weights are held
    twice, about two thirds of a decoder's layers (none for Phi-3, whose checkpoints join them).
    Weights that are changed afterwards are not seen. Not for use by two threads at once.

    A chat that goes on costs no second reading: the K/V of the last call's tokens are kept.

    Attributes:
        draft: settings of the drafts, to be changed between calls or while one goes on.
    """

    def __init__(
        self,
        model,
        adapter: Path | str | None = "auto",
        draft: DraftSettings | None = None,
        pack: bool = False,
    ):
        """Get ready to decode for `model`.

        Args:
            adapter: a folder of a draft adapter; "auto" takes a shipped one that was made for these
                weights, if there is one; None drafts without.
            draft: None for what suits the adapter, or Auto without one.
            pack: hold the weights a second time, laid out for few rows, where this processor can use
                that (CPUs with AVX2 or AVX-512): several times faster there.

        Raises:
            ModelError: the model is of another family, quantized, wrapped, or spread over devices.
            AdapterError: the adapter is missing, damaged, or was made for other weights.
        """
        _check_model(model)
        self._model = model
        # A copy of the structure alone: what the memo names is its own copy.
        target = Target(copy.deepcopy(model, {id(p): p for p in model.parameters()}))
        if pack:
            target.pack()
        if adapter == "auto":
            found, _ = find_adapter(target, (ADAPTERS,))
        else:
            found = None if adapter is None else Adapter.load(Path(adapter), target)
        # The stop tokens come with each call, and no text is made here.
        loaded = Loaded(target, None, frozenset(), type(model).__name__)
        self._engine = Engine(loaded, Path(model.config.name_or_path or "."), found)
        self.draft = draft or self._engine.info.defaults
        self._check_draft()
        if self.draft.strategy == "auto":
            self._engine.measure_auto()

    def __call__(
        self,
        model,
        input_ids: torch.Tensor,
        logits_processor,
        stopping_criteria,
        generation_config,
        streamer=None,
        seed: int | None = None,
        **model_kwargs: Any,
    ) -> torch.Tensor | GenerateDecoderOnlyOutput:
        """Decode for `model.generate`, which passes all but `seed`, an argument of the user's.

        Every logits processor and stopping criterion is asked once for each token, in order, as
        `generate` does it. Stop strings need `StopStringCriteria` among the stopping criteria, as
        transformers keeps the tokenizer from a callable.

        Args:
            seed: fixes every draw; None takes one from torch's generator.

        Returns:
            `[1, tokens]`, prompt and reply, or `GenerateDecoderOnlyOutput` where `return_dict_in_generate`
            was asked for.

        Raises:
            SettingError: something that cannot be had together with S3D was asked for.
        """
        # transformers (5.23) hands a callable neither the streamer nor the assistant that it was given itself.
        asked = sys._getframe(1).f_locals
        streamer = asked.get("streamer") if streamer is None else streamer
        self._refuse(model, input_ids, generation_config, asked.get("assistant_model"), model_kwargs)
        if seed is None:
            seed = int(torch.randint(2**62, ()))
        ids: list[int] = input_ids[0].tolist()
        written: list[int] = []
        for token in self._tokens(ids, logits_processor, generation_config, seed):
            written.append(token)
            so_far = torch.cat([input_ids, input_ids.new_tensor([written])], dim=1)
            if streamer is not None:
                streamer.put(torch.tensor([token]))
            if bool(stopping_criteria(so_far, None).all()):
                break
        if streamer is not None:
            streamer.end()
        sequences = torch.cat([input_ids, input_ids.new_tensor([written])], dim=1)
        if generation_config.return_dict_in_generate:
            return GenerateDecoderOnlyOutput(sequences=sequences)
        return sequences

    def _tokens(self, ids: list[int], processors, config, seed: int) -> Iterator[int]:
        engine = self._engine
        sampling = SamplingSettings(
            temperature=(1.0 if config.temperature is None else config.temperature) if config.do_sample else 0.0,
            seed=seed,
            max_tokens=config.max_length - len(ids),
        )
        ends = config._eos_token_tensor
        limits = Limits(frozenset() if ends is None else frozenset(ends.tolist()), config.max_length)
        self._check_draft()
        prefill(engine.target, engine.cache, ids)
        for done in rounds(
            engine.target,
            engine.cache,
            list(ids),
            engine.strategies,
            lambda: self.draft,
            _Processed(sampling, processors),
            _Textless(None),
            limits,
        ):
            yield from done.ids

    def _check_draft(self) -> None:
        if self.draft.strategy not in self._engine.strategies:
            raise SettingError("No draft adapter is in use, so strategy s3d cannot run; choose auto, lookup or skip.")
        if self.draft.strategy in ("skip", "s3d"):
            self._engine.target.kept_layers(self.draft.skipped)

    def _refuse(self, model, input_ids: torch.Tensor, config, assistant, model_kwargs: dict[str, Any]) -> None:
        if model is not self._model:
            raise SettingError("This S3DGenerate was made for another model; make one for this model.")
        if assistant is not None:
            raise SettingError("S3D drafts with the model itself; leave out assistant_model.")
        if (config.num_beams or 1) > 1 or (config.num_return_sequences or 1) > 1:
            raise SettingError("S3D writes one sequence; leave out num_beams and num_return_sequences.")
        for name, what in _OTHER_WAYS.items():
            if getattr(config, name, None):
                raise SettingError(f"S3D does not come with {what}; leave out {name} or custom_generate.")
        if input_ids.shape[0] != 1:
            raise SettingError(f"S3D continues one prompt at a time, not {input_ids.shape[0]}; call it for each.")
        if input_ids.shape[1] == 0 or model_kwargs.get("inputs_embeds") is not None:
            raise SettingError("S3D needs the prompt as input_ids of at least one token.")
        if model_kwargs.get("attention_mask") is not None:
            raise SettingError("S3D reads every token of the prompt; leave out padding and other masks.")
        positions = model_kwargs.get("position_ids")
        if positions is not None and positions[0].tolist() != list(range(input_ids.shape[1])):
            raise SettingError("S3D counts positions from 0; leave out position_ids.")
        past = model_kwargs.get("past_key_values")
        if past is not None and past.get_seq_length():
            raise SettingError("S3D keeps a K/V cache of its own between calls; leave out past_key_values.")


class _Processed(Sampler):
    """Draws from what transformers' own logits processors leave."""

    def __init__(self, settings: SamplingSettings, processors):
        super().__init__(settings)
        self._processors = processors
        # They may look at the text so far, and change even the best token.
        self.penalised = len(processors) > 0

    def scores(self, logits: torch.Tensor, prefix: Sequence[int]) -> torch.Tensor:
        ids = torch.tensor([list(prefix)], dtype=torch.long, device=logits.device)
        return self._processors(ids, logits.float()[None].clone())[0]


class _Textless(TextStream):
    """For tokens that others turn into text."""

    def push(self, ids, from_draft, is_end=False) -> tuple[Pieces, int | None]:
        return (), None

    def flush(self) -> Pieces:
        return ()


def _check_model(model) -> None:
    layers = getattr(getattr(model, "model", None), "layers", ())
    for layer in layers:
        for name, module in layer.named_modules():
            if name.endswith("_proj") and type(module) is not torch.nn.Linear:
                raise ModelError(
                    f"The layer {name} of this model is a {type(module).__name__}, not a plain linear layer; "
                    "S3D needs stock weights: merge adapters and load it without quantization."
                )
    devices = {str(p.device) for p in model.parameters()}
    if len(devices) > 1 or "meta" in devices:
        raise ModelError(f"S3D needs the whole model on one device, not on {', '.join(sorted(devices))}.")
