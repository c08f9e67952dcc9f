"""`s3d chat`: a chat in the terminal."""

import argparse
import contextlib
import sys
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from app.commands import answer, options
from s3d_core.errors import S3DError, SettingError
from s3d_core.settings import DraftSettings, SamplingSettings
from s3d_core.stats import Totals

if TYPE_CHECKING:
    from s3d_core.engine import Engine

HELP = """\
/new               start a new chat
/set               show the settings
/set NAME VALUE    change one, as in: /set skip 12, /set draft 3, /set temperature 0.8
/stats             what was measured in the last reply and since the start
/help              this text
/quit              leave; so does Ctrl-D
Ctrl-C stops a reply. Everything else is sent to the model."""


def add_parser(subparsers) -> None:
    """Register the command."""
    parser = subparsers.add_parser("chat", help="chat in the terminal", description="Chat in the terminal.")
    options.add_model_options(parser)
    options.add_draft_options(parser)
    options.add_sampling_options(parser)


def run(args: argparse.Namespace) -> int:
    """Chat until the user leaves; returns the exit code."""
    sampling = options.sampling_settings(args)
    options.draft_settings(args, DraftSettings())  # what is out of bounds need not wait for the model
    engine = options.load_engine(args)
    chat = Chat(engine, options.draft_settings(args, engine.info.defaults), sampling, args.system)
    if engine.info.notice:
        print(engine.info.notice, file=sys.stderr)
    if sys.stdin.isatty():
        with contextlib.suppress(ImportError):  # arrow keys and history, where the system has them
            import readline  # noqa: F401
        print(
            f"{engine.info.name}, {engine.info.device}, {engine.info.dtype}. /help lists the commands.", file=sys.stderr
        )
    while True:
        try:
            line = input("\n> " if sys.stdin.isatty() else "").strip()
        except EOFError:
            break
        except KeyboardInterrupt:
            print("\n/quit or Ctrl-D leaves.", file=sys.stderr)
            continue
        if line == "/quit":
            break
        try:
            chat.take(line)
        except S3DError as error:
            print(error, file=sys.stderr)
    return 0


@dataclass
class Chat:
    """One chat: its messages, the settings of its next reply, and what was measured."""

    engine: "Engine"
    draft: DraftSettings
    sampling: SamplingSettings
    system: str | None = None
    messages: list[dict] = field(default_factory=list)
    last: Totals | None = None
    tokens: int = 0
    milliseconds: float = 0.0

    def __post_init__(self) -> None:
        self.start_anew()

    def start_anew(self) -> None:
        """Forget the messages."""
        self.messages = [{"role": "system", "content": self.system}] if self.system else []

    def take(self, line: str) -> None:
        """Carry out a line: a command, or a message to the model.

        Raises:
            S3DError: it cannot be done; the chat is as it was.
        """
        words = line.split(maxsplit=2)
        match words:
            case []:
                pass
            case ["/help"]:
                print(HELP, file=sys.stderr)
            case ["/new"]:
                self.start_anew()
                print("A new chat.", file=sys.stderr)
            case ["/set"]:
                print(self.settings_text(), file=sys.stderr)
            case ["/set", name, value]:
                self.change(name, value)
            case ["/stats"]:
                print(self.stats_text(), file=sys.stderr)
            case [command, *_] if command.startswith("/"):
                raise SettingError(f"There is no command {line!r}; /help lists them.")
            case _:
                self.reply(line)

    def reply(self, message: str) -> None:
        """Send a message and stream the reply; one that was stopped stays as far as it came."""
        asked = [*self.messages, {"role": "user", "content": message}]
        done = answer.generate(self.engine, self.engine.chat_ids(asked), self.draft, self.sampling, answer.write_out)
        print(flush=True)
        # Kept only now: after a refused prompt the chat goes on from where it was.
        self.messages = [*asked, {"role": "assistant", "content": done.text}]
        self.last = done.totals
        self.tokens += done.totals.tokens
        self.milliseconds += done.totals.total_ms
        print(answer.status_line(done.totals), file=sys.stderr)

    def change(self, name: str, value: str) -> None:
        """Change one setting for the next replies.

        Raises:
            SettingError: there is no such setting, or the value is out of its bounds.
        """
        option = name.removeprefix("--").replace("-", "_")
        if option in options.DRAFT_FIELDS:
            setting = options.DRAFT_FIELDS[option]
            self.draft = replace(self.draft, **{setting: _value(getattr(self.draft, setting), name, value)})
        elif option in options.SAMPLING_FIELDS:
            setting = options.SAMPLING_FIELDS[option]
            self.sampling = replace(self.sampling, **{setting: _value(getattr(self.sampling, setting), name, value)})
        else:
            known = ", ".join([*options.DRAFT_FIELDS, *options.SAMPLING_FIELDS]).replace("_", "-")
            raise SettingError(f"There is no setting {name!r}; these can be set: {known}.")
        print(f"{name}: {value}", file=sys.stderr)

    def settings_text(self) -> str:
        """The settings, one a line, by the names that `/set` takes."""
        rows = [(name, getattr(self.draft, setting)) for name, setting in options.DRAFT_FIELDS.items()]
        rows += [(name, getattr(self.sampling, setting)) for name, setting in options.SAMPLING_FIELDS.items()]
        return "\n".join(f"{name.replace('_', '-'):<20}{value}" for name, value in rows)

    def stats_text(self) -> str:
        """What was measured in the last reply, per slot too, and since the start."""
        if self.last is None:
            return "Nothing has been measured yet."
        slots = " ".join(f"{share:.0%}" for share in self.last.acceptance_per_slot) or "none"
        speed = 1000 * self.tokens / self.milliseconds if self.milliseconds else 0.0
        first = self.last.time_to_first_token_ms
        return (
            f"last reply: {answer.status_line(self.last)}\n"
            f"            first token after {first:.0f} ms; drafts accepted by slot: {slots}\n"
            f"since the start: {self.tokens} tokens, {speed:.1f} tokens/s"
        )


def _value(present: Any, name: str, text: str) -> Any:
    """`text` as the kind of value that the setting has."""
    if isinstance(present, tuple):
        return (text,)
    try:
        return int(text) if isinstance(present, int) else float(text) if isinstance(present, float) else text
    except ValueError as error:
        kind = "a whole number" if isinstance(present, int) else "a number"
        raise SettingError(f"{name} must be {kind}, not {text!r}.") from error
