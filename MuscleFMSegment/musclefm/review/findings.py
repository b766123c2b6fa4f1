"""What the reader is shown of a case: flagged regions and the muscle table."""

from __future__ import annotations

from dataclasses import dataclass

from musclefm.labels.scheme import Side

# Share of a region in which a second opinion disagrees.
_MOSTLY = 0.5


@dataclass(frozen=True)
class FlaggedRegion:
    """A connected group of voxels that wants a look: uncertain, or in question.

    Attributes
    ----------
    id : int
        Rank, from 1: the region with the most expected wrong voxels comes first.
    side : Side
        The patient's side.
    muscles : tuple of str
        Names in full of the muscles concerned, most voxels first.
    label_ids : tuple of int
        The same muscles as ids of the label scheme.
    voxels : int
        Size in voxels.
    volume_mm3 : float
        Size in mm³.
    centroid_ras : tuple of float
        Mean position in mm, RAS.
    centroid_ijk : tuple of float
        Mean position in voxel indices ``(i, j, k)`` of the input grid.
    bounds_ijk : tuple of int
        ``(i0, i1, j0, j1, k0, k1)``, both ends included, on the input grid.
    slices : tuple of int
        First and last index along the input's axis that runs closest to
        inferior-superior (``slice_axis``), both ends included.
    slice_axis : int
        That axis, 0 for i, 1 for j, 2 for k.
    mean_uncertainty, max_uncertainty : float
        Of the total uncertainty, normalised to [0, 1] by ln(classes).
    expected_wrong_voxels : float
        Sum of 1 - max p over the region; where a second opinion disagrees, of at least
        a half.
    disagreement : float
        Share of the region, in [0, 1], in which a second opinion disagrees.
    """

    id: int
    side: Side
    muscles: tuple[str, ...]
    label_ids: tuple[int, ...]
    voxels: int
    volume_mm3: float
    centroid_ras: tuple[float, float, float]
    centroid_ijk: tuple[float, float, float]
    bounds_ijk: tuple[int, int, int, int, int, int]
    slices: tuple[int, int]
    slice_axis: int
    mean_uncertainty: float
    max_uncertainty: float
    expected_wrong_voxels: float
    disagreement: float = 0.0

    @property
    def expected_wrong_ml(self) -> float:
        """The volume of the expected wrong voxels in mL."""
        return self.expected_wrong_voxels * self.volume_mm3 / self.voxels / 1000

    @property
    def disagrees(self) -> bool:
        """Whether a second opinion disagrees in most of it."""
        return self.disagreement >= _MOSTLY

    @property
    def reason(self) -> str:
        """Why it wants a look, in words."""
        return "disagrees with the second opinion" if self.disagrees else "uncertain"


@dataclass(frozen=True)
class MuscleSummary:
    """One muscle of one side.

    Attributes
    ----------
    side : Side
        The patient's side.
    label_id : int
        Id in the label scheme.
    name, abbreviation : str
        As in the scheme, e.g. ``"vastus lateralis"``, ``"VL"``.
    volume_ml : float
        Volume in mL.
    fat_fraction : float or None
        Mean of fat / (fat + water) inside, in [0, 1]; None without fat and water.
    mean_uncertainty : float
        Mean total uncertainty inside, normalised to [0, 1]; NaN where empty.
    expected_dice : float
        Dice that is expected of the label, from the mean probabilities:
        2 * sum of p inside / (voxels inside + sum of p anywhere); NaN where empty.
    member_dice : float
        Mean Dice over pairs of members; NaN with one member or where empty.
    expected_wrong_voxels : float
        Sum of 1 - max p inside.
    flagged : bool
        Whether a region of the queue concerns the muscle.
    volume_includes : str
        What else the volume counts: ``"gaps"`` between slices, ``"beyond"``
        the thigh, in slices of pelvis or knee, or ``"gaps, beyond"``; empty
        where it is the thigh's muscle alone.
    """

    side: Side
    label_id: int
    name: str
    abbreviation: str
    volume_ml: float
    fat_fraction: float | None
    mean_uncertainty: float
    expected_dice: float
    member_dice: float
    expected_wrong_voxels: float
    flagged: bool
    volume_includes: str = ""
