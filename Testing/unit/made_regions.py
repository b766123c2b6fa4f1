"""Flagged regions for tests of the review."""

from musclefm.review.findings import FlaggedRegion


def made_region(region_id: int, wrong: float) -> FlaggedRegion:
    """Return a region of the right vastus lateralis with so many expected wrong voxels."""
    return FlaggedRegion(
        id=region_id,
        side="right",
        muscles=("vastus lateralis",),
        label_ids=(3,),
        voxels=1000,
        volume_mm3=5000.0,
        centroid_ras=(10.0, 20.0, 30.0),
        centroid_ijk=(5.0, 6.0, 7.0),
        bounds_ijk=(0, 10, 0, 12, 0, 14),
        slices=(0, 14),
        slice_axis=2,
        mean_uncertainty=0.4,
        max_uncertainty=0.8,
        expected_wrong_voxels=wrong,
    )
