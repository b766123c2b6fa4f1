"""The families of networks: the one place to add another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from musclefm.networks.architecture import (
    Architecture,
    LiteMedSamArchitecture,
    SamArchitecture,
    UNetArchitecture,
)
from musclefm.networks.nnunet import NnUNetArchitecture

if TYPE_CHECKING:
    from musclefm.networks.network import SegmentationNetwork


@dataclass(frozen=True)
class Family:
    """A family of networks.

    Attributes
    ----------
    architecture : type of Architecture
        Its parameters with their limits, as they stand in ``model.json``.
    network : callable
        From an architecture of that type, and the number of classes with background,
        to a network. It must also work under ``torch.device("meta")``.
    """

    architecture: type[Architecture]
    network: Callable[[Any, int], SegmentationNetwork]


def _sam(architecture: SamArchitecture, class_count: int) -> SegmentationNetwork:
    # Imported late: what only reads a manifest need not wait for torch.
    from musclefm.networks.sam import MultiClassSam

    return MultiClassSam(architecture, class_count)


def _unet(architecture: UNetArchitecture, class_count: int) -> SegmentationNetwork:
    from musclefm.networks.unet import UNet

    return UNet(architecture, class_count)


def _lite_medsam(architecture: LiteMedSamArchitecture, class_count: int) -> SegmentationNetwork:
    from musclefm.networks.lite_medsam.network import LiteMedSam

    return LiteMedSam(architecture, class_count)


def _nnunet(architecture: NnUNetArchitecture, class_count: int) -> SegmentationNetwork:
    from musclefm.networks.nnunet_network import NnUNet

    return NnUNet(architecture, class_count)


FAMILIES: dict[str, Family] = {
    "sam": Family(SamArchitecture, _sam),
    "monai-unet": Family(UNetArchitecture, _unet),
    "lite-medsam": Family(LiteMedSamArchitecture, _lite_medsam),
    "nnunet": Family(NnUNetArchitecture, _nnunet),
}
"""Families by the ``kind`` of their architectures."""


def build(architecture: Architecture, class_count: int) -> SegmentationNetwork:
    """Build a network with weights as its family draws them.

    Parameters
    ----------
    architecture : Architecture
        Of a family in :data:`FAMILIES`.
    class_count : int
        Classes with background.
    """
    return FAMILIES[architecture.kind].network(architecture, class_count)
