"""A thigh as whole volumes are rendered: fat, bone and few vessels around the labelled muscles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from musclefm.demo.phantom.contrast import ContrastName, draw_contrast
from musclefm.demo.phantom.fields import StreakTexture
from musclefm.demo.phantom.section.anatomy import Mask
from musclefm.demo.phantom.section.appearance import Appearance
from musclefm.demo.phantom.severity import draw_fat_fractions
from musclefm.demo.phantom.slices import Fractions, fill_fractions
from musclefm.demo.phantom.tissues import build_tissues, femur_labels
from musclefm.demo.phantom.volumes import Patient
from musclefm.evaluation.cohort.severity import Severity
from musclefm.labels.scheme import LabelScheme

_CONTRASTS: tuple[ContrastName, ...] = (
    "t1", "t2", "pd", "in-phase", "out-of-phase", "water", "water", "random",
)  # fmt: skip


@dataclass(frozen=True)
class PlainThigh:
    """A person's thigh, drawn anew from the same seed in each of its sections.

    Attributes
    ----------
    scheme : LabelScheme
        Of the labels.
    pixel_mm : float
        Edge of a pixel in mm.
    patient : Patient
        Build and disease.
    streaks : StreakTexture
        Of the fat within muscles.
    ends : tuple of float
        Heights where the knee ends, where gaps may be adductors, where the buttock begins.
    slope_px : float
        Partial volume along the leg, see :func:`fill_fractions`.
    seed : int
        Of bone, vessels and textures.
    """

    scheme: LabelScheme
    pixel_mm: float
    patient: Patient
    streaks: StreakTexture
    ends: tuple[float, float, float]
    slope_px: float
    seed: int

    @staticmethod
    def draw(
        scheme: LabelScheme,
        severity: Severity,
        pixel_mm: float,
        streaks: StreakTexture,
        rng: np.random.Generator,
    ) -> PlainThigh:
        """Draw a person's thigh."""
        return PlainThigh(
            scheme=scheme,
            pixel_mm=pixel_mm,
            patient=Patient.draw(draw_fat_fractions(scheme, severity, rng), rng),
            streaks=streaks,
            ends=(rng.uniform(0.05, 0.22), rng.uniform(0.35, 0.55), rng.uniform(0.68, 0.88)),
            slope_px=rng.uniform(0.3, 1.8) if rng.random() < 0.6 else 0.0,
            seed=int(rng.integers(2**31)),
        )

    def section(self, labels: npt.NDArray[np.uint8], height: float) -> tuple[Fractions, Mask]:
        """Return what each voxel of a section ``(J, I) uint8`` holds, and where the leg is."""
        rng = np.random.default_rng(self.seed)
        knee, adductors, buttock = self.ends
        tissues = build_tissues(
            labels,
            self.pixel_mm,
            self.patient.body,
            rng,
            femur_near=femur_labels(self.scheme),
            distal=height < knee,
            proximal=height > buttock,
            adductors=height > adductors,
        )
        filled = fill_fractions(
            tissues,
            self.patient.fat_fractions,
            self.streaks,
            rng,
            patchiness=self.patient.patchiness,
            streakiness=self.patient.streakiness,
            slope_px=self.slope_px,
        )
        return filled, tissues.body


def draw_plain_appearance(rng: np.random.Generator) -> Appearance:
    """Draw a series as whole volumes show it: without grain or chemical shift."""
    contrast = draw_contrast(_CONTRASTS[rng.integers(len(_CONTRASTS))], rng)
    return Appearance(contrast, grain=0.0, grain_px=1.0, fat_shift=0, shift_axis=0)
