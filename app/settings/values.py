"""Every setting there is."""

import logging
import random
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from app.settings.declare import Group, declared, setting
from s3d_core.errors import SettingError
from s3d_core.settings import MAX_DRAFT_LENGTH, MAX_TREE_SIZE, SamplingSettings

log = logging.getLogger(__name__)

VERSION = 1  # of the file; see `app.settings.file.STEPS`
MOST_SEED = 2**31 - 1
MOST_NAME = 60
MOST_MODELS = 50

StopText = Annotated[str, StringConstraints(min_length=1, max_length=200)]
PresetName = Annotated[str, StringConstraints(min_length=1, max_length=MOST_NAME)]


class ChatSettings(Group):
    """How a chat is answered: what a preset keeps, and what one chat may have otherwise."""

    system_prompt: str = setting(
        "", "System prompt", "Said to the model before every chat: who it is, how it answers.", "chat", high=20_000
    )
    context: int | None = setting(
        None,
        "Context length",
        "The most tokens of chat and answer together. A longer context takes more memory.",
        "chat",
        low=256,
        high=1_000_000,
        step=256,
        none="As much as the model can",
        start=4096,
        unit="tokens",
    )
    overflow: Literal["stop", "drop"] = setting(
        "drop",
        "When the context is full",
        "The system prompt and your last message always stay.",
        "chat",
        choices=(("drop", "Leave the oldest turns out"), ("stop", "Stop and say so")),
    )
    max_tokens: int = setting(
        1024,
        "Longest answer",
        "The answer ends after so many tokens.",
        "chat",
        low=1,
        high=100_000,
        step=64,
        unit="tokens",
    )
    stop: tuple[StopText, ...] = setting(
        (), "Stop texts", "The answer ends before any of these. One a line; \\n stands for a new line.", "chat", high=16
    )
    temperature: float = setting(
        0.2,
        "Temperature",
        "0 always takes the most probable token; the higher, the more varied the text.",
        "sampling",
        low=0.0,
        high=2.0,
        step=0.05,
    )
    top_k: int = setting(40, "Top-k", "Only the k most probable tokens; 0 is all.", "sampling", low=0, high=1000)
    # Top-p would sort the whole vocabulary for every token, which costs more than it shapes at a low temperature.
    top_p: float = setting(
        1.0,
        "Top-p",
        "Only the most probable tokens that together hold this share; 1 is all.",
        "sampling",
        low=0.01,
        high=1.0,
        step=0.01,
    )
    min_p: float = setting(
        0.05,
        "Min-p",
        "Without tokens less probable than this share of the best one's; 0 is all.",
        "sampling",
        low=0.0,
        high=1.0,
        step=0.01,
    )
    repetition_penalty: float = setting(
        1.0,
        "Repetition penalty",
        "Above 1, tokens that came before are made less probable; 1 is off.",
        "sampling",
        low=0.5,
        high=2.0,
        step=0.01,
    )
    seed: int | None = setting(
        None,
        "Seed",
        "A fixed seed gives the same chat the same answer; writing it again takes the next seed.",
        "sampling",
        low=0,
        high=MOST_SEED,
        none="Another each time",
    )

    def sampling(self, retry: int = 0) -> SamplingSettings:
        """What the decoder takes.

        Args:
            retry: how often this answer was written before; a fixed seed moves on by so much.
        """
        seed = random.SystemRandom().randint(0, MOST_SEED) if self.seed is None else self.seed + retry
        return SamplingSettings(
            temperature=self.temperature,
            top_k=self.top_k,
            top_p=self.top_p,
            min_p=self.min_p,
            repetition_penalty=self.repetition_penalty,
            seed=seed,
            max_tokens=self.max_tokens,
            stop=self.stop,
        )

    def overridden(self, by: Mapping[str, Any]) -> "ChatSettings":
        """These settings with those of a chat in their place. What cannot be used is left out and logged."""
        whole = self
        for name, value in by.items():
            try:
                whole = whole.changed(name, value) if name in type(self).model_fields else whole
            except SettingError as error:
                log.warning("a chat's setting is not used: %s", error)
        return whole


class Appearance(Group):
    """What the window looks like."""

    theme: Literal["system", "light", "dark"] = setting(
        "system",
        "Theme",
        "Light or dark colours.",
        "appearance",
        choices=(("system", "As the system"), ("light", "Light"), ("dark", "Dark")),
    )
    language: Literal["system", "en", "de"] = setting(
        "system",
        "Language",
        "Of the window; another one is spoken from the next start on.",
        "appearance",
        choices=(("system", "As the system"), ("en", "English"), ("de", "Deutsch")),
    )
    font_size: int | None = setting(
        None,
        "Font size",
        "Of all text in the window.",
        "appearance",
        low=7,
        high=24,
        none="The system's",
        start=10,
        unit="pt",
    )


class Running(Group):
    """How models are run."""

    precision: Literal["auto", "float32", "bfloat16", "int8", "int4"] = setting(
        "auto",
        "Precision",
        "Numbers that the model's weights are held in. Automatic takes the fastest that keeps the model's own.",
        "model",
        choices=(
            ("auto", "Automatic"),
            ("bfloat16", "bfloat16, 16 bits"),
            ("float32", "float32, 32 bits"),
            ("int8", "int8, 8 bits"),
            ("int4", "int4, 4 bits"),
        ),
    )


class Drafting(Group):
    """How the user wants a model to draft, set in the speed panel. A model's own bounds narrow it further.

    Attributes:
        on: draft at all. auto: Auto chooses all but the exactness; then the rest is not said.
    """

    on: bool = True
    auto: bool = True
    exactness: float = Field(1.0, ge=0.0, le=1.0)
    strategy: Literal["s3d", "skip", "lookup"] = "s3d"
    skipped: int = Field(0, ge=0, le=1000)
    draft_length: int = Field(1, ge=1, le=MAX_DRAFT_LENGTH)
    tree_size: int = Field(1, ge=1, le=MAX_TREE_SIZE)


def _first_presets() -> dict[str, ChatSettings]:
    return {
        "Precise": ChatSettings(temperature=0.0, top_k=0, min_p=0.0),
        "Creative": ChatSettings(temperature=0.9, top_k=0, min_p=0.08),
    }


class Settings(BaseModel):
    """The whole file."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    version: Literal[1] = 1
    chat: ChatSettings = ChatSettings()
    appearance: Appearance = Appearance()
    running: Running = Running()
    presets: dict[PresetName, ChatSettings] = Field(default_factory=_first_presets)
    drafting: dict[str, Drafting] = Field(default_factory=dict)

    def with_chat(self, chat: ChatSettings) -> "Settings":
        """With other settings for every chat."""
        return self.model_copy(update={"chat": chat})

    def with_appearance(self, appearance: Appearance) -> "Settings":
        """With another look."""
        return self.model_copy(update={"appearance": appearance})

    def with_running(self, running: Running) -> "Settings":
        """With models run otherwise."""
        return self.model_copy(update={"running": running})

    def with_drafting(self, model: str, wish: Drafting) -> "Settings":
        """With what is wanted of a model's drafts; only the models turned last are remembered."""
        others = {name: known for name, known in self.drafting.items() if name != model}
        kept = dict(list(others.items())[1 - MOST_MODELS :])
        return self.model_copy(update={"drafting": kept | {model: wish}})

    def with_preset(self, name: str, chat: ChatSettings) -> "Settings":
        """With a preset of this name, which may replace one.

        Raises:
            SettingError: the name is empty or too long.
        """
        return self._with_presets(self.presets | {_checked(name): chat})

    def with_preset_renamed(self, old: str, new: str) -> "Settings":
        """With a preset under another name, in its place.

        Raises:
            SettingError: the name is empty, too long, or another preset's.
        """
        name = _checked(new)
        if name != old and name in self.presets:
            raise SettingError(f"There is a preset named “{name}” already: choose another name.")
        return self._with_presets({name if known == old else known: chat for known, chat in self.presets.items()})

    def without_preset(self, name: str) -> "Settings":
        """Without this preset."""
        return self._with_presets({known: chat for known, chat in self.presets.items() if known != name})

    def _with_presets(self, presets: dict[str, ChatSettings]) -> "Settings":
        return self.model_copy(update={"presets": presets})


def _checked(name: str) -> str:
    name = " ".join(name.split())
    if not name or len(name) > MOST_NAME:
        raise SettingError(f"A preset's name must have 1 to {MOST_NAME} letters.")
    return name


CHAT = declared(ChatSettings)
APPEARANCE = declared(Appearance)
RUNNING = declared(Running)
