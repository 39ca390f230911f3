"""Base of what a user writes in a config: frozen, a typo is told its nearest name."""

from __future__ import annotations

from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator, model_validator

from runtime.errors import UnknownName


class Section(BaseModel):
    """A section of a config. An unknown setting raises `UnknownName` with the nearest one."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _names_are_known(cls, data: Any) -> Any:
        if isinstance(data, dict):
            known = {field.alias or name for name, field in cls.model_fields.items()}
            for name in data:
                if name not in known:
                    raise UnknownName(f"setting of {cls.title()}:", str(name), known)
        return data

    @field_validator("*", mode="before")
    @classmethod
    def _numbers_are_numbers(cls, value: Any, info: ValidationInfo) -> Any:
        return checked_number(cls, value, info)

    @classmethod
    def title(cls) -> str:
        """What messages call this section."""
        return f"[{cls.__name__.removesuffix('Config').lower()}]"


def checked_number(model: type[BaseModel], value: Any, info: ValidationInfo) -> Any:
    """The value as it is; `ValueError` for a flag, or text, where a number is to be.

    Pydantic would take `true` for 1 and `"2"` for 2.
    """
    declared = model.model_fields[info.field_name or ""].annotation
    either = get_args(declared) if get_origin(declared) in (Union, UnionType) else (declared,)
    kinds = {kind for kind in either if kind is not type(None)}
    numeric = all(isinstance(kind, type) and issubclass(kind, int | float) for kind in kinds)
    if numeric and bool not in kinds and isinstance(value, bool):
        raise ValueError("should be a number")
    if kinds <= {int, float} and isinstance(value, str) and value.strip(" +-")[:1].isdigit():
        raise ValueError("should be a number, without quotes")
    return value
