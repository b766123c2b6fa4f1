"""The names of the files of a results folder; no other module spells them."""

from __future__ import annotations

from musclefm.uncertainty.maps import UncertaintyKind

PROVENANCE_FILE = "provenance.json"
"""What made the results, and size and hash of every other file."""

LABELMAP_FILE = "labels.nii.gz"
"""``(K, J, I) uint8``: ids of the label scheme, both sides alike; for other programs."""

SEGMENTATION_FILE = "labels.seg.nrrd"
"""``(K, J, I) uint8``: sided labels with names, colours and codes, for 3D Slicer too."""

REGION_LABELS_FILE = "regions.nii.gz"
"""``(K, J, I) uint16``: ids of the flagged regions."""

UNCERTAINTY_FILES: dict[UncertaintyKind, str] = {
    "total": "uncertainty.nii.gz",
    "aleatoric": "aleatoric.nii.gz",
    "epistemic": "epistemic.nii.gz",
}
"""``(K, J, I) float32`` in [0, 1] each."""

FAT_FRACTION_FILE = "fat_fraction.nii.gz"
"""``(K, J, I) float32`` in [0, 1], NaN where undefined; only of scans with fat and water."""

VARIANCE_FILE = "variance.nii.gz"
"""``(K, J, I) float32``: variance over members, averaged over classes; only on request."""

PROBABILITIES_FILE = "probabilities.npz"
"""``probabilities``, ``(C, K, J, I) float16``: mean of the members; only on request."""

REGIONS_FILE = "regions.json"
MUSCLES_FILE = "muscles.csv"
REPORT_FILE = "report.html"

RESULT_FILES = (
    LABELMAP_FILE,
    SEGMENTATION_FILE,
    REGION_LABELS_FILE,
    *UNCERTAINTY_FILES.values(),
    FAT_FRACTION_FILE,
    VARIANCE_FILE,
    PROBABILITIES_FILE,
    REGIONS_FILE,
    MUSCLES_FILE,
    REPORT_FILE,
)
"""All files that results may consist of, beside their provenance."""

_READ_LATER = (LABELMAP_FILE, REPORT_FILE, PROBABILITIES_FILE)

READ_FILES = tuple(name for name in RESULT_FILES if name not in _READ_LATER)
"""Those that this library reads when it opens results; the others on request, or never."""
