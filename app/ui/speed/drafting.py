"""The controls of drafting: on or off, chosen by Auto or by hand, and how far."""

import time
from dataclasses import replace

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from app.settings.values import Drafting
from app.ui.language import QT_TRANSLATE_NOOP, translate
from app.ui.speed.choices import USES_LAYERS, Lately, offered, remembered, slow_format, used
from app.ui.speed.controls import Choice, NamedSlider, Switch, caption, switch_row
from app.ui.speed.drawings import LayerStack
from s3d_core.settings import MAX_DRAFT_LENGTH, MAX_TREE_SIZE, DraftSettings
from s3d_core.stats import ModelInfo, Round

# Sliders that moved with every flush would only flicker.
_FOLLOW_EVERY = 0.2
_STRATEGIES = {
    "s3d": (
        "S3D",
        QT_TRANSLATE_NOOP(
            "Speed", "One pass through the early and late layers, with the trained adapter, drafts several tokens"
        ),
    ),
    "skip": (
        QT_TRANSLATE_NOOP("Speed", "Own layers"),
        QT_TRANSLATE_NOOP("Speed", "The early and late layers draft token by token, without an adapter"),
    ),
    "lookup": (
        QT_TRANSLATE_NOOP("Speed", "Copies"),
        QT_TRANSLATE_NOOP("Speed", "Drafts are copied from what was said before"),
    ),
}


def _exactness_said(position: int) -> str:
    return translate("Speed", "exact") if position == 0 else f"{1 - position / 100:.2f}"


class DraftControls(QWidget):
    """What the next round shall run with. While Auto chooses, the controls follow what it chose.

    Signals:
        changed: the user changed something, or another model came.
        wished: what the user changed, to be remembered for this model.
        train_wanted: the user wants an adapter for this model.
    """

    changed = Signal()
    wished = Signal(object)
    train_wanted = Signal()

    def __init__(self, parent=None):
        super().__init__(parent)
        self._info: ModelInfo | None = None
        self._lately = Lately()
        self._followed = 0.0
        self.drafting = Switch(toolTip=self.tr("Draft with the model's own layers, or decode plainly"))
        self.drafting.toggled.connect(self._on_changed)
        self.auto = Switch(
            toolTip=self.tr(
                "Auto times what this machine is fast at and picks in each round what pays; "
                "the text stays the same. Turning a slider turns Auto off."
            )
        )
        self.auto.toggled.connect(self._on_changed)
        self.strategy = Choice(
            self.tr("Drafts by"),
            {key: (translate("Speed", name), translate("Speed", tip)) for key, (name, tip) in _STRATEGIES.items()},
        )
        self.strategy.chosen.connect(self._on_strategy)
        self.stack = LayerStack()
        self.skipped = NamedSlider(
            self.tr("Skipped layers"), self.tr("Middle layers left out while drafting"), 0, 1, self._skipped_said
        )
        self.draft_length = NamedSlider(
            self.tr("Draft length"),
            self.tr("Tokens guessed ahead before the whole model checks them"),
            1,
            MAX_DRAFT_LENGTH,
        )
        self.tree_size = NamedSlider(
            self.tr("Tree size"),
            self.tr("Guessed tokens checked at once; 1 is a single chain"),
            1,
            MAX_TREE_SIZE,
            lambda size: self.tr("1 (chain)") if size == 1 else str(size),
        )
        self.exactness = NamedSlider(
            self.tr("Exact to fast"),
            self.tr(
                "At the left end the text is exactly the model's own. To the right, guesses the model finds "
                "plausible are taken too, which is faster. Auto leaves this to you."
            ),
            0,
            100,
            _exactness_said,
        )
        self.relaxed = caption("")
        self.relaxed.setWordWrap(True)
        self.relaxed.setToolTip(self.tr("Share of this answer's tokens that plain decoding would not have chosen"))
        self._used = caption("")
        self._used.setWordWrap(True)
        self.slow = QLabel(wordWrap=True, objectName="SlowFormat", visible=False)
        self.train = QPushButton(self.tr("Train drafts for this model…"), objectName="Link")
        self.train.setToolTip(
            self.tr("Make a draft adapter: the model answers prompts of its own and learns to guess ahead")
        )
        self.train.clicked.connect(self.train_wanted)
        self._lay_out()
        self.skipped.moved.connect(self._on_skipped)
        for slider in (self.draft_length, self.tree_size):
            slider.moved.connect(self._on_turned)
        self.exactness.moved.connect(self._on_changed)
        self.show_share(0, 0)
        self._refresh()

    def _lay_out(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(7)
        column.addLayout(switch_row(self.auto, QLabel(self.tr("Auto chooses"))))
        column.addWidget(self.strategy)
        column.addWidget(self.stack)
        column.addWidget(self._used)
        column.addWidget(self.slow)
        row = QHBoxLayout()
        row.addWidget(self.train)
        row.addStretch()
        column.addLayout(row)
        for slider in self.sliders:
            column.addWidget(slider)
        column.addWidget(self.relaxed)

    @property
    def sliders(self) -> tuple[NamedSlider, ...]:
        """From top to bottom."""
        return self.skipped, self.draft_length, self.tree_size, self.exactness

    @property
    def tab_order(self) -> list[QWidget]:
        """The controls in the order of the keyboard; `drafting` stands elsewhere."""
        buttons = list(self.strategy.buttons.values())
        return [self.auto, *buttons, self.train, *(part.slider for part in self.sliders)]

    # -- what is told --------------------------------------------------------------------------------------------

    def show_model(self, info: ModelInfo | None, kept: Drafting | None = None) -> None:
        """Take a model's bounds and its own settings, or those that the user once chose for it; None where no model
        is in memory."""
        self._info = info
        self._lately.clear()
        said = "" if info is None else slow_format(info)
        self.slow.setText(said)
        self.slow.setVisible(bool(said))
        if info is not None:
            wish = remembered(info, kept)
            self.strategy.offer(offered(info))
            self.skipped.set(min(wish.skipped, info.most_skipped), info.most_skipped)
            self.draft_length.set(min(wish.draft_length, info.most_drafted), info.most_drafted)
            self.tree_size.set(wish.tree_size)
            self.exactness.set(round(100 * (1 - wish.exactness)))
            self.strategy.set(wish.strategy)
            self._set(self.drafting, kept.on if kept else info.defaults.strategy != "plain")
            self._set(self.auto, kept.auto if kept else info.defaults.strategy == "auto")
        self._refresh()
        self.changed.emit()

    def start_reply(self) -> None:
        """A reply begins."""
        self._lately.clear()
        self.show_share(0, 0)
        self._refresh()

    def add_rounds(self, rounds: list[Round]) -> None:
        """Rounds that were done: while Auto chooses, the controls go where it went."""
        self._lately.add(rounds)
        now = time.monotonic()
        ended = bool(rounds) and rounds[-1].stop_reason is not None
        if self.following and (ended or now - self._followed > _FOLLOW_EVERY):
            self._followed = now
            self._follow()

    def show_share(self, relaxed: int, tokens: int) -> None:
        """Of an answer's tokens so many are not what plain decoding would have chosen."""
        if self.exactness.value == 0 and not relaxed:
            self.relaxed.setText(self.tr("Every token is the model's own choice"))
        else:
            self.relaxed.setText(
                self.tr("{share:.1%} of tokens not what plain decoding would choose").format(
                    share=relaxed / max(1, tokens)
                )
            )

    # -- what is asked -------------------------------------------------------------------------------------------

    @property
    def following(self) -> bool:
        """Auto chooses."""
        return self._info is not None and self.drafting.isChecked() and self.auto.isChecked()

    @property
    def chosen(self) -> DraftSettings:
        """What the next round shall run with."""
        return self.wish if self.drafting.isChecked() else replace(self.wish, strategy="plain")

    @property
    def wish(self) -> DraftSettings:
        """The settings as they are when drafting is on."""
        if self._info is None:
            return DraftSettings(strategy="plain")
        exactness = 1 - self.exactness.value / 100
        if self.auto.isChecked():
            return replace(self._info.defaults, strategy="auto", exactness=exactness)
        return replace(
            self._info.defaults,
            strategy=self.strategy.value,
            skipped=self.skipped.value,
            draft_length=self.draft_length.value,
            tree_size=self.tree_size.value,
            exactness=exactness,
        )

    # -- inside --------------------------------------------------------------------------------------------------

    def _on_changed(self) -> None:
        self._refresh()
        self.changed.emit()
        if self._info is not None:
            self.wished.emit(self._to_remember)

    @property
    def _to_remember(self) -> Drafting:
        said = {"on": self.drafting.isChecked(), "exactness": 1 - self.exactness.value / 100}
        if not self.auto.isChecked():
            said |= {"auto": False, "strategy": self.strategy.value, "skipped": self.skipped.value}
            said |= {"draft_length": self.draft_length.value, "tree_size": self.tree_size.value}
        return Drafting.model_validate(said)

    def _on_turned(self) -> None:
        self._set(self.auto, False)
        self._on_changed()

    def _on_skipped(self) -> None:
        # Who turns it under Auto wants to see it act, though copies were the best of late.
        if self.auto.isChecked() and self._info is not None and self.strategy.value not in USES_LAYERS:
            self.strategy.set(next(name for name in offered(self._info) if name in USES_LAYERS))
        self._on_turned()

    def _on_strategy(self) -> None:
        self._on_turned()

    def _follow(self) -> None:
        ran = self._lately.typical
        if ran is not None:
            self.strategy.set(ran.strategy)
            self.draft_length.set(ran.draft_length)
            self.tree_size.set(ran.tree_size)
            if ran.strategy in USES_LAYERS:
                self.skipped.set(ran.skipped)
        self._refresh()

    def _refresh(self) -> None:
        """Show what stands."""
        info, on = self._info, self._info is not None and self.drafting.isChecked()
        self.drafting.setEnabled(info is not None)
        for part in (self.auto, self.strategy, self.draft_length, self.tree_size, self.exactness):
            part.setEnabled(on)
        uses_layers = on and self.strategy.value in USES_LAYERS
        self.skipped.setEnabled(uses_layers or self.following)
        self.train.setVisible(info is not None and not info.has_adapter)
        if info is None:
            self._used.setText("")
            return
        self.stack.show_layers(info.depth, self.skipped.value, uses_layers)
        lately = self._lately.sentence if self.following else ""
        self._used.setText(
            (lately or used(info, self.chosen))
            + ("" if info.has_adapter else " " + self.tr("This model has no draft adapter; one would bring more."))
        )

    def _skipped_said(self, skipped: int) -> str:
        return (
            self.tr("{skipped} of {all}").format(skipped=skipped, all=self._info.depth) if self._info else str(skipped)
        )

    def _set(self, switch: Switch, on: bool) -> None:
        """Turn a switch without telling anyone."""
        switch.blockSignals(True)
        switch.setChecked(on)
        switch.blockSignals(False)
