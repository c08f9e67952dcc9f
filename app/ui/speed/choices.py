"""What drafts, as the user wishes it and as Auto chose it lately. Free of widgets."""

from collections import Counter, deque
from dataclasses import replace
from statistics import median

from app.settings.values import Drafting
from app.ui.language import QT_TRANSLATE_NOOP, translate
from s3d_core.settings import DraftSettings
from s3d_core.stats import USUAL_ROWS, ModelInfo, Round

USES_LAYERS = ("skip", "s3d")
_LATELY, _WINDOW = 8, 24
_WROTE = {
    "s3d": QT_TRANSLATE_NOOP("Speed", "by S3D"),
    "skip": QT_TRANSLATE_NOOP("Speed", "by the model's own layers"),
    "lookup": QT_TRANSLATE_NOOP("Speed", "copied"),
    "plain": QT_TRANSLATE_NOOP("Speed", "plain"),
}


def offered(info: ModelInfo) -> tuple[str, ...]:
    """The ways of drafting that this model has, the best first."""
    return ("s3d", "skip", "lookup") if info.has_adapter else ("lookup", "skip")


def by_hand(info: ModelInfo) -> DraftSettings:
    """What to start with when the user chooses instead of Auto: the model's own wish, or its best way of drafting."""
    known = info.defaults.strategy in offered(info)
    return info.defaults if known else replace(info.defaults, strategy=offered(info)[0])


def remembered(info: ModelInfo, kept: Drafting | None) -> DraftSettings:
    """What to start with where the user chose once; what this model cannot do gives way to what it can."""
    first = by_hand(info)
    if kept is None:
        return first
    if kept.auto:
        return replace(first, exactness=kept.exactness)
    return replace(
        first,
        strategy=kept.strategy if kept.strategy in offered(info) else first.strategy,
        skipped=kept.skipped,
        draft_length=kept.draft_length,
        tree_size=kept.tree_size,
        exactness=kept.exactness,
    )


class Lately:
    """What the newest rounds ran with. Auto changes its mind each round; the middle of some is what to show."""

    def __init__(self):
        self._settings: deque[DraftSettings] = deque(maxlen=_WINDOW)

    def clear(self) -> None:
        """A new reply begins."""
        self._settings.clear()

    def add(self, rounds: list[Round]) -> None:
        """Rounds that were done."""
        for done in rounds:
            if done.ids:
                # A round whose draft was empty was a plain step, whatever it was meant to be.
                ran = done.settings if done.drafted else replace(done.settings, strategy="plain")
                self._settings.append(ran)

    @property
    def typical(self) -> DraftSettings | None:
        """The most frequent strategy of the last drafted rounds, with the middle of its numbers."""
        drafted = [ran for ran in self._settings if ran.strategy != "plain"][-_LATELY:]
        if not drafted:
            return None
        strategy = Counter(ran.strategy for ran in drafted).most_common(1)[0][0]
        same = [ran for ran in drafted if ran.strategy == strategy]
        return replace(
            same[-1],
            skipped=round(median(ran.skipped for ran in same)),
            draft_length=round(median(ran.draft_length for ran in same)),
            tree_size=round(median(ran.tree_size for ran in same)),
        )

    @property
    def sentence(self) -> str:
        """How many of the last rounds were drafted by what; nothing where there were none."""
        if not self._settings:
            return ""
        counts = Counter(ran.strategy for ran in self._settings).most_common()
        wrote = ", ".join(f"{n} {translate('Speed', _WROTE[name])}" for name, n in counts)
        rounds = len(self._settings)
        return translate("Speed", "Last %n round(s): {wrote}.", "", rounds).format(wrote=wrote)


def used(info: ModelInfo, chosen: DraftSettings) -> str:
    """In a sentence what drafts with these settings."""
    kept = translate("Speed", "{kept} of {all} layers").format(kept=info.depth - chosen.skipped, all=info.depth)
    said = {
        "plain": translate("Speed", "Drafting is off: the whole model writes token by token."),
        "lookup": translate("Speed", "Drafts are copied from what was said before."),
        "skip": translate("Speed", "Drafts are written token by token by {kept}.").format(kept=kept),
        "s3d": translate("Speed", "Drafts come from one pass through {kept}, with the adapter.").format(kept=kept),
        "auto": translate("Speed", "Auto picks what pays in each round, by measured times."),
    }
    return said[chosen.strategy]


def slow_format(info: ModelInfo) -> str:
    """In a sentence that drafts gain little with the weights in this format; nothing where they do."""
    if not info.verifies_slowly:
        return ""
    said = translate(
        "Speed",
        "Verifying is slow in this format here: in {format}, {rows} rows take {ratio:.1f} × a plain step, so that "
        "drafts gain little. bfloat16 gains more where it fits into the memory.",
    )
    return said.format(format=info.dtype, rows=USUAL_ROWS, ratio=info.verify_ratio)
