"""A field of ``model.json`` whose type is found in a table, by what it says of its ``kind``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import BaseModel, PlainValidator, ValidationError
from pydantic_core import PydanticCustomError

from musclefm.errors import MuscleFMError

Kind = TypeVar("Kind", bound=BaseModel)

# Type of the validation error where the table has no such kind.
_UNKNOWN_KIND = "unknown_kind"


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
            raise PydanticCustomError(_UNKNOWN_KIND, "unknown kind '{kind}'", {"kind": shown})
        return known.model_validate(value)

    return PlainValidator(validated, json_schema_input_type=shipped)


def fault_in_manifest(error: ValidationError, name: str) -> MuscleFMError:
    """Return what is wrong with the ``model.json`` of a model, in one line."""
    faults = error.errors(include_url=False)
    for fault in faults:
        if fault["type"] == _UNKNOWN_KIND or fault["loc"] == ("format_version",):
            what = {"architecture": "architecture", "format_version": "format version"}.get(
                str(fault["loc"][0]), "intensity rule"
            )
            given = fault.get("ctx", {}).get("kind", str(fault["input"])[:60])
            return MuscleFMError(
                f"model '{name}' has {what} '{given}', which this musclefm does not know",
                "update musclefm, or use another model",
            )
    first = faults[0]
    where = ".".join(str(part)[:60] for part in first["loc"][:6]) or "the file"
    more = f" and {len(faults) - 1} more faults" if len(faults) > 1 else ""
    return MuscleFMError(
        f"model.json of model '{name}' is not valid ({where}: {first['msg']}{more})",
        "get the model again, or correct the file by Resources/Schemas/model.schema.json",
    )
