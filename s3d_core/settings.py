"""What a user may turn while the model writes, as frozen and validated values.

The decoder reads a whole `DraftSettings` at the start of every round, so a slider that
moves in the middle of an answer acts on the next round and never on half of one.
"""

from dataclasses import dataclass, fields

from s3d_core.errors import SettingError

STRATEGIES = ("plain", "lookup", "skip", "s3d", "auto")

MAX_DRAFT_LENGTH = 8
# Of so many rounds the app lets one go without drafts, to keep the measured plain speed fresh.
PROBE_EVERY = 24
MAX_TREE_SIZE = 64


def _check(name: str, value, low, high, kind) -> None:
    number = isinstance(value, (int, float) if kind is float else int) and not isinstance(value, bool)
    if not number or not low <= value <= high:
        whole = "a number" if kind is float else "a whole number"
        raise SettingError(f"{name} must be {whole} from {low} to {high}, not {value!r}.")


@dataclass(frozen=True)
class DraftSettings:
    """How candidates are drafted and how strictly they are accepted.

    Attributes:
        strategy: one of `STRATEGIES`; "auto" chooses all the rest but the exactness by itself, round by round.
        skipped: layers left out in the middle of the draft pass. The model's depth bounds it
            further: at least two layers are always kept (`Target.kept_layers`).
        draft_length: tokens drafted ahead, the depth of the candidate tree. An adapter's number
            of slots bounds it further.
        tree_size: candidate tokens verified in one round at most; 1 means one chain.
        exactness: 1 emits exactly the model's own samples; below 1 a draft is also taken when the
            model finds it plausible (typical acceptance, arXiv:2401.10774), the more so the lower.
        least_probability: a candidate whose path is drafted with a lower probability is left out of
            the tree, except for the best one.
    """

    strategy: str = "s3d"
    skipped: int = 12
    draft_length: int = 4
    tree_size: int = 16
    exactness: float = 1.0
    least_probability: float = 0.0

    def __post_init__(self):
        if self.strategy not in STRATEGIES:
            raise SettingError(f"strategy must be one of {', '.join(STRATEGIES)}, not {self.strategy!r}.")
        _check("skipped layers", self.skipped, 0, 1000, int)
        _check("draft length", self.draft_length, 1, MAX_DRAFT_LENGTH, int)
        _check("tree size", self.tree_size, 1, MAX_TREE_SIZE, int)
        _check("exactness", self.exactness, 0, 1, float)
        _check("least probability", self.least_probability, 0, 1, float)


@dataclass(frozen=True)
class SamplingSettings:
    """How the target's distribution is shaped and when a reply ends.

    Attributes:
        temperature: 0 is greedy.
        top_k: keep the k most probable tokens; 0 keeps all.
        top_p: keep the smallest set of tokens holding this much probability; 1 keeps all.
        min_p: drop tokens less probable than this share of the most probable one; 0 keeps all.
        repetition_penalty: divides the scores of tokens already in the context; 1 is off.
        seed: with the position, fixes every random draw.
        max_tokens: most tokens to write.
        stop: texts that end the reply; they are not part of it.
    """

    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    seed: int = 0
    max_tokens: int = 512
    stop: tuple[str, ...] = ()

    def __post_init__(self):
        _check("temperature", self.temperature, 0, 10, float)
        _check("top-k", self.top_k, 0, 1_000_000, int)
        _check("top-p", self.top_p, 0.001, 1, float)
        _check("min-p", self.min_p, 0, 1, float)
        _check("repetition penalty", self.repetition_penalty, 0.1, 10, float)
        _check("seed", self.seed, 0, 2**63 - 1, int)
        _check("max tokens", self.max_tokens, 1, 1_000_000, int)
        if not all(isinstance(text, str) and text for text in self.stop):
            raise SettingError("Every stop text must be a text of at least one letter.")


def as_dict(settings) -> dict:
    """A settings value as plain JSON types."""
    return {f.name: list(v) if isinstance(v := getattr(settings, f.name), tuple) else v for f in fields(settings)}
