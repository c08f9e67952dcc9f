"""The settings in use: every chat's, those of the chat that is shown, and the look. Changes are kept at once."""

from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, QTimer, Signal

from app.chats.errors import StoreError
from app.chats.overflow import ContextPlan
from app.chats.store import Store
from app.settings import file
from app.settings.values import ChatSettings, Drafting, Settings
from s3d_core.settings import SamplingSettings

_SAVE_AFTER_MS = 300


class Preferences(QObject):
    """Holds the settings and writes them a moment after each change.

    Args:
        path: of the file, or None to keep nothing.

    Attributes:
        settings: those of every chat, the look, and the presets.
        own: what the chat that is shown has otherwise, by name.
        problem: a sentence about a file that could not be used, or "".

    Signals:
        changed: of anything.
        failed: a sentence; settings could not be written.
    """

    changed = Signal()
    failed = Signal(str)

    def __init__(self, path: Path | None = None, parent: QObject | None = None):
        super().__init__(parent)
        self._path = path
        self.settings, self.problem = file.load(path) if path is not None else (Settings(), "")
        self.own: dict[str, Any] = {}
        self._store: Store | None = None
        self._chat_id = 0
        self._save_timer = QTimer(self, singleShot=True, interval=_SAVE_AFTER_MS)
        self._save_timer.timeout.connect(self.flush)

    @property
    def chat(self) -> ChatSettings:
        """How the chat that is shown is answered."""
        return self.settings.chat.overridden(self.own)

    def sampling(self, retry: int = 0) -> SamplingSettings:
        """What the decoder gets for the next answer, which was written `retry` times before."""
        return self.chat.sampling(retry)

    @property
    def plan(self) -> ContextPlan:
        """How much of the context the next answer may use, and what is done when the chat is longer."""
        chat = self.chat
        return ContextPlan(chat.context, chat.overflow)

    def prompted(self, messages: list[dict]) -> list[dict]:
        """The messages behind the system prompt, where there is one."""
        prompt = self.chat.system_prompt.strip()
        return [{"role": "system", "content": prompt}, *messages] if prompt else messages

    # -- changes -------------------------------------------------------------------------------------------------

    def show_chat(self, store: Store, chat_id: int) -> None:
        """Another chat is shown; `store` keeps what it has of its own.

        Raises:
            StoreError: with a sentence.
        """
        self._store, self._chat_id = store, chat_id
        self.own = dict(store.chat_settings(chat_id))
        self.changed.emit()

    def set_chat(self, name: str, value: Any, only_this: bool = False) -> None:
        """Change one setting, for every chat or only for the one that is shown.

        Raises:
            SettingError: the value is out of its bounds.
        """
        if only_this:
            kept = self.chat.changed(name, value).model_dump(mode="json")[name]
            self._set_own(self.own | {name: kept})
        else:
            self._set(self.settings.with_chat(self.settings.chat.changed(name, value)))

    def reset_chat(self, name: str, only_this: bool = False) -> None:
        """Give one setting its usual value again: every chat's, or the program's own."""
        if only_this:
            self._set_own({known: value for known, value in self.own.items() if known != name})
        else:
            self.set_chat(name, getattr(ChatSettings(), name))

    def set_look(self, name: str, value: Any) -> None:
        """Change one setting of the look.

        Raises:
            SettingError: the value is out of its bounds.
        """
        self._set(self.settings.with_appearance(self.settings.appearance.changed(name, value)))

    def set_running(self, name: str, value: Any) -> None:
        """Change how models are run.

        Raises:
            SettingError: the value is none of those there are.
        """
        self._set(self.settings.with_running(self.settings.running.changed(name, value)))

    def set_drafting(self, model: str, wish: Drafting) -> None:
        """Remember how a model, by its name, is to draft. The speed panel alone shows it, so nobody is told."""
        self.settings = self.settings.with_drafting(model, wish)
        self._save_timer.start()

    def apply_preset(self, name: str, only_this: bool = False) -> None:
        """Take all settings of a preset, for every chat or only for the one that is shown."""
        preset = self.settings.presets[name]
        if only_this:
            usual = self.settings.chat.model_dump(mode="json")
            own = preset.model_dump(mode="json")
            self._set_own({name: value for name, value in own.items() if value != usual[name]})
        else:
            self._set(self.settings.with_chat(preset))

    def save_preset(self, name: str) -> None:
        """Keep the settings of the chat that is shown under a name.

        Raises:
            SettingError: the name is empty or too long.
        """
        self._set(self.settings.with_preset(name, self.chat))

    def rename_preset(self, old: str, new: str) -> None:
        """Give a preset another name.

        Raises:
            SettingError: the name is empty, too long, or another preset's.
        """
        self._set(self.settings.with_preset_renamed(old, new))

    def delete_preset(self, name: str) -> None:
        """Forget a preset."""
        self._set(self.settings.without_preset(name))

    def put_presets_back(self, presets: dict[str, ChatSettings]) -> None:
        """Have these presets again."""
        self._set(self.settings.model_copy(update={"presets": presets}))

    def flush(self) -> None:
        """Write what is not written yet."""
        self._save_timer.stop()
        if self._path is None:
            return
        try:
            file.save(self.settings, self._path)
        except file.SettingsFileError as error:
            self.failed.emit(str(error))

    # -- inside --------------------------------------------------------------------------------------------------

    def _set(self, settings: Settings) -> None:
        if settings != self.settings or list(settings.presets) != list(self.settings.presets):
            self.settings = settings
            self._save_timer.start()
            self.changed.emit()

    def _set_own(self, own: dict[str, Any]) -> None:
        if own != self.own:
            self.own = own
            try:
                if self._store is not None:
                    self._store.set_chat_settings(self._chat_id, dict(own))
            except StoreError as error:
                self.failed.emit(str(error))
            self.changed.emit()
