"""One declaration of a setting: its type and bounds for the file, its title and explanation for the window."""

import types
from dataclasses import dataclass
from typing import Any, Literal, Self, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from s3d_core.errors import SettingError


class Group(BaseModel):
    """Settings that belong together. Values are checked when one is made, and never change afterwards."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    def changed(self, name: str, value: Any) -> Self:
        """The group with one value in the place of another.

        Raises:
            SettingError: the value is out of its bounds; the sentence names the setting by its title.
        """
        try:
            return type(self).model_validate(self.model_dump() | {name: value}, strict=False)
        except ValidationError as error:
            raise SettingError(declared(type(self))[name].bounds_said) from error


@dataclass(frozen=True)
class Declared:
    """What a window needs to know of a setting.

    Attributes:
        page: where it is shown.
        kind: "text", "texts", "choice", "whole" or "number".
        low, high, step: bounds of a number, both included.
        none: what it means that there is no number, or nothing where there must be one.
        start: the number to begin with where there was none.
        choices: value -> what is shown for it.
        unit: shown behind the number.
    """

    name: str
    title: str
    about: str
    page: str
    kind: str
    default: Any
    low: float = 0
    high: float = 0
    step: float = 1
    none: str = ""
    start: float = 0
    choices: tuple[tuple[str, str], ...] = ()
    unit: str = ""

    @property
    def bounds_said(self) -> str:
        """One sentence that says what the setting can be."""
        if self.kind in ("whole", "number"):
            whole = "a whole number" if self.kind == "whole" else "a number"
            return f"{self.title} must be {whole} from {self.low:,g} to {self.high:,g}."
        if self.kind == "choice":
            return f"{self.title} must be one of {', '.join(value for value, _ in self.choices)}."
        if self.kind == "texts":
            return f"{self.title} must be at most {self.high:,g} short lines."
        return f"{self.title} must be a text of at most {self.high:,g} letters."


def setting(default: Any, title: str, about: str, page: str, **shown: Any) -> Any:
    """A field of a `Group`; `shown` holds the other attributes of `Declared` that it needs."""
    bounds = {}
    if "low" in shown:
        bounds = {"ge": shown["low"], "le": shown["high"]}
    elif "high" in shown:
        bounds = {"max_length": int(shown["high"])}
    return Field(default, title=title, description=about, json_schema_extra={"page": page, "shown": shown}, **bounds)


def declared(group: type[BaseModel]) -> dict[str, Declared]:
    """The settings of a group in the order of their declaration."""
    found = {}
    for name, field in group.model_fields.items():
        extra = field.json_schema_extra
        if isinstance(extra, dict):
            shown: Any = extra["shown"]
            found[name] = Declared(
                name=name,
                title=field.title or name,
                about=field.description or "",
                page=str(extra["page"]),
                kind=_kind(field.annotation),
                default=field.default,
                **shown,
            )
    return found


def _kind(annotation: Any) -> str:
    if get_origin(annotation) in (Union, types.UnionType):
        annotation = next(part for part in get_args(annotation) if part is not type(None))
    if get_origin(annotation) is Literal:
        return "choice"
    if get_origin(annotation) is tuple:
        return "texts"
    return {str: "text", int: "whole", float: "number"}[annotation]
