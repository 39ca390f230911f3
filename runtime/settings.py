"""Base of everything a user writes in a config: frozen, and a typo is told its nearest name."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator

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

    @classmethod
    def title(cls) -> str:
        """What messages call this section."""
        return f"[{cls.__name__.removesuffix('Config').lower()}]"
