"""A field of ``model.json`` whose type is found in a table, by what it says of its ``kind``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import BaseModel, PlainValidator
from pydantic_core import PydanticCustomError

Kind = TypeVar("Kind", bound=BaseModel)

UNKNOWN_KIND = "unknown_kind"
"""Type of the validation error where the table has no such kind."""


def one_of(
    base: type[Kind], find: Callable[[str], type[Kind] | None], default: str, shipped: Any
) -> PlainValidator:
    """Return a validator of a field that holds any type of a table.

    Pydantic's own unions are closed when their module is imported; a table can be
    added to by whoever imports this package.

    Parameters
    ----------
    base : type
        Base of all the table's types.
    find : callable
        The type of a kind, or None for an unknown one.
    default : str
        The kind of data that does not say its own.
    shipped : type
        What the JSON Schema shows.
    """

    def validated(value: Any) -> Kind:
        if isinstance(value, base):
            return value
        kind = value.get("kind", default) if isinstance(value, dict) else None
        known = find(kind) if isinstance(kind, str) else None
        if known is None:
            shown = str(kind)[:60]
            raise PydanticCustomError(UNKNOWN_KIND, "unknown kind '{kind}'", {"kind": shown})
        return known.model_validate(value)

    return PlainValidator(validated, json_schema_input_type=shipped)
