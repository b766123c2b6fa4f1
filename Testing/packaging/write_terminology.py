"""Writes Slicer's terminology file, with all muscles of the label schemes.

Run with musclefm installed after a change of a label scheme::

    python Testing/packaging/write_terminology.py
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from musclefm.labels.scheme import Label, load_scheme
from musclefm.storage.resources import resource_folder

REPOSITORY = Path(__file__).resolve().parents[2]
FILE_NAME = "SegmentationCategoryTypeModifier-MuscleFMSegment.term.json"

CONTEXT_NAME = "Segmentation category and type - MuscleFMSegment"
# Slicer knows a terminology file by this address.
SCHEMA = (
    "https://raw.githubusercontent.com/qiicr/dcmqi/master/doc/schemas/segment-context-schema.json#"
)
SNOMED = "SCT"
SIDES = (("24028007", "Right"), ("7771000", "Left"))


def terminology() -> dict[str, Any]:
    """Return the terminology: one type a muscle, in the order of names, with both sides.

    Raises
    ------
    ValueError
        Two schemes give a muscle different colours or codes.
    """
    muscles: dict[str, Label] = {}
    for path in sorted((resource_folder() / "LabelSchemes").glob("*.json")):
        for label in load_scheme(path.stem).labels:
            known = muscles.setdefault(label.name, label)
            if (known.code, known.colour) != (label.code, label.colour):
                raise ValueError(f"{label.name} differs between label schemes")
    return {
        "SegmentationCategoryTypeContextName": CONTEXT_NAME,
        "@schema": SCHEMA,
        "SegmentationCodes": {
            "Category": [
                {
                    **_code(SNOMED, "123037004", "Anatomical Structure"),
                    "showAnatomy": False,
                    "Type": [_type(label) for _, label in sorted(muscles.items())],
                }
            ]
        },
    }


def _type(label: Label) -> dict[str, Any]:
    colour = {"recommendedDisplayRGBValue": list(label.colour)}
    return {
        **_code(label.code.scheme, label.code.value, label.code.meaning),
        **colour,
        "Modifier": [{**_code(SNOMED, value, side), **colour} for value, side in SIDES],
    }


def _code(scheme: str, value: str, meaning: str) -> dict[str, str]:
    code = {"CodingSchemeDesignator": scheme, "CodeValue": value, "CodeMeaning": meaning}
    return {**code, "SNOMEDCTConceptID": value} if scheme == SNOMED else code


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--out", type=Path, default=REPOSITORY / "MuscleFMSegment" / "Resources" / FILE_NAME
    )
    text = json.dumps(terminology(), indent=2) + "\n"
    parser.parse_args().out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
