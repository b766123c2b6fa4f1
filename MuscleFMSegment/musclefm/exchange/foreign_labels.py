"""Labels as another program's file holds them, before anything is made of their values."""

from __future__ import annotations

from dataclasses import dataclass

from musclefm.anatomy.scheme import Side
from musclefm.volumes.volume import Volume


@dataclass(frozen=True)
class ForeignSegment:
    """What a file says of one value.

    Attributes
    ----------
    value : int
        In the voxels, not 0.
    name : str
        As its maker called it; empty where the file names nothing.
    code : tuple of str or None
        Coding scheme and value of the structure, e.g. ``("SCT", "1403006")``.
    side : Side or None
        Where the file codes one.
    """

    value: int
    name: str = ""
    code: tuple[str, str] | None = None
    side: Side | None = None

    @property
    def described(self) -> bool:
        """Whether the file says what the value stands for."""
        return bool(self.name or self.code)


@dataclass(frozen=True)
class ForeignLabels:
    """A labelmap of any values.

    Attributes
    ----------
    volume : Volume
        ``(K, J, I) int64``, 0 background.
    segments : tuple of ForeignSegment
        One for every value in the voxels.
    numbered : bool
        Whether the values themselves may be those of a label scheme, as in a plain
        labelmap; else only what the file says of a segment counts.
    """

    volume: Volume
    segments: tuple[ForeignSegment, ...]
    numbered: bool = False
