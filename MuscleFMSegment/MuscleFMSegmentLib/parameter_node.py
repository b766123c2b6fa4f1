"""What the module remembers in the scene, typed."""

from enum import Enum
from typing import Annotated

import slicer
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper

from musclefm.defaults import DEFAULT_DEVICE, DEFAULT_MODEL, HEAT_OPACITY, UNCERTAIN_FROM

Share = Annotated[float, WithinRange(0.0, 1.0)]


class DixonPair(Enum):
    """What the two images of a Dixon scan are, in order."""

    WATER_AND_FAT = ("water", "fat")
    FAT_AND_WATER = ("fat", "water")
    PHASES = ("in-phase", "out-of-phase")
    PHASES_REVERSED = ("out-of-phase", "in-phase")

    def label(self) -> str:
        """Return the text in the chooser."""
        return _("{first} and {second}").format(first=self.value[0], second=self.value[1])


class HeatKindChoice(Enum):
    """Which uncertainty the heatmap shows."""

    TOTAL = "total"
    ALEATORIC = "aleatoric"
    EPISTEMIC = "epistemic"

    def label(self) -> str:
        """Return the text in the chooser."""
        return {
            "total": _("Total uncertainty"),
            "aleatoric": _("Aleatoric: what the image leaves open"),
            "epistemic": _("Epistemic: where the networks disagree"),
        }[self.value]


class HeatStyle(Enum):
    """How the uncertainty is drawn."""

    HEAT = "heat"
    CONTOURS = "contours"

    def label(self) -> str:
        """Return the text in the chooser."""
        return {"heat": _("Heat"), "contours": _("Contours")}[self.value]


class ReviewedExtent(Enum):
    """The verified part of a saved sample."""

    SLICES = "slices"
    MUSCLES = "muscles"
    EVERYTHING = "all"

    def label(self) -> str:
        """Return the text in the chooser."""
        return {
            "slices": _("Slices looked at, without an open region"),
            "muscles": _("Muscles looked at, without an open region"),
            "all": _("The whole case"),
        }[self.value]


@parameterNodeWrapper
class MuscleFMSegmentParameterNode:
    """The parameters.

    Attributes
    ----------
    inputVolume, secondVolume : vtkMRMLScalarVolumeNode
        The image, and the second one of a Dixon scan.
    dixonPair : DixonPair
        What the two are.
    modelName, deviceName : str
        As the library calls them.
    heatVisible, heatStyle, heatKind, heatOpacity, heatThreshold
        How the uncertainty is shown.
    protectNeighbours : bool
        Whether an edit leaves other muscles alone.
    compareWithModel : bool
        Whether the model's outlines are shown beside the corrected ones.
    reviewedExtent : ReviewedExtent
        The verified part of a saved sample.
    """

    inputVolume: slicer.vtkMRMLScalarVolumeNode
    secondVolume: slicer.vtkMRMLScalarVolumeNode
    dixonPair: DixonPair = DixonPair.WATER_AND_FAT
    modelName: str = DEFAULT_MODEL
    deviceName: str = DEFAULT_DEVICE
    heatVisible: bool = True
    heatStyle: HeatStyle = HeatStyle.HEAT
    heatKind: HeatKindChoice = HeatKindChoice.TOTAL
    heatOpacity: Share = HEAT_OPACITY
    heatThreshold: Share = UNCERTAIN_FROM
    protectNeighbours: bool = True
    compareWithModel: bool = False
    reviewedExtent: ReviewedExtent = ReviewedExtent.SLICES
