"""The patient's right and left: as values of a map, and as DICOM codes them."""

from __future__ import annotations

from musclefm.labels.scheme import Side

RIGHT, LEFT = 1, 2
"""Values of a map of sides, ``(K, J, I) uint8``: the patient's right and left thigh."""

SIDE_CODES: dict[Side, tuple[str, str, str]] = {
    "right": ("24028007", "SCT", "Right"),
    "left": ("7771000", "SCT", "Left"),
}
"""Code value, coding scheme and meaning of each side."""

# The same in the older SNOMED RT.
_RETIRED: dict[tuple[str, str], Side] = {("SRT", "G-A100"): "right", ("SRT", "G-A101"): "left"}


def side_of_code(scheme: str, value: str) -> Side | None:
    """Return the side that a code stands for, or None.

    Parameters
    ----------
    scheme : str
        Coding scheme, e.g. ``"SCT"``.
    value : str
        Code value.
    """
    for side, (known, designator, _) in SIDE_CODES.items():
        if (scheme, value) == (designator, known):
            return side
    return _RETIRED.get((scheme, value))
