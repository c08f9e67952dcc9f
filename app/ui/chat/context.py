"""Keeps the context meter true: what the chat, the message being written and its files take."""

from PySide6.QtCore import QObject, QTimer

from app.attach.fence import fenced
from app.engine.link import EngineLink
from app.engine.phase import Phase
from app.ui.chat.composer import Composer
from app.ui.chat.session import ChatSession
from app.ui.settings.preferences import Preferences
from s3d_core.stats import Round

_COUNT_AFTER_MS = 150


class ContextWatch(QObject):
    """Has the decoder's thread count, some moments after the last change, and shows what it found."""

    def __init__(
        self,
        link: EngineLink,
        composer: Composer,
        preferences: Preferences,
        session: ChatSession,
        parent: QObject | None = None,
    ):
        super().__init__(parent)
        self._link, self._composer, self._preferences, self._session = link, composer, preferences, session
        self._timer = QTimer(self, singleShot=True, interval=_COUNT_AFTER_MS)
        self._timer.timeout.connect(self._count)
        composer.edited.connect(self.renew)
        preferences.changed.connect(self.renew)
        link.phase_changed.connect(self._on_phase)
        link.rounds_done.connect(self._on_rounds)
        link.counted.connect(self._on_counted)
        link.unloaded.connect(composer.meter.hide)

    def renew(self) -> None:
        """Something changed: count again."""
        self._timer.start()

    def _count(self) -> None:
        # While an answer is written its rounds tell; the count would wait for its end.
        if self._link.info is None or self._link.answering:
            return
        messages = self._session.conversation.messages()
        if draft := self._composer.message:
            messages.append({"role": "user", "content": draft})
        self._link.count(self._preferences.prompted(messages), list(map(fenced, self._composer.chips.files)))

    def _on_phase(self, phase: str) -> None:
        if phase == Phase.READY:
            self.renew()

    def _on_rounds(self, rounds: list[Round]) -> None:
        if not self._session.writes_elsewhere:
            self._show(rounds[-1].context)

    def _on_counted(self, used: int, each: list[int]) -> None:
        self._composer.chips.show_tokens(each)
        self._show(used)

    def _show(self, used: int) -> None:
        if self._link.info is not None:
            plan = self._preferences.plan
            self._composer.meter.show_use(used, plan.limit_of(self._link.info.context_limit), plan.overflow)
