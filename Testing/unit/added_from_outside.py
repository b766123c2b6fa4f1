"""A network family, an intensity rule and a file format, as a researcher writes them."""

from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field
from torch import Tensor, nn

from musclefm.exchange.external_labels import ExternalLabels, ExternalSegment
from musclefm.exchange.formats import LabelledScan
from musclefm.models.intensity import IntensityRule
from musclefm.networks.architecture import Architecture
from musclefm.networks.network import SegmentationNetwork
from musclefm.volumes.affine import grid_of_affine
from musclefm.volumes.volume import Volume


class ConvArchitecture(Architecture):
    """A family of one convolution and a head."""

    kind: Literal["conv"] = "conv"
    width: int = Field(default=4, ge=1, le=8)


class ConvNetwork(SegmentationNetwork):
    """Half the resolution of its input."""

    def __init__(self, architecture: ConvArchitecture, class_count: int) -> None:
        super().__init__(architecture, class_count)
        self.image_encoder = nn.Conv2d(
            architecture.input_channels, architecture.width, 3, stride=2, padding=1
        )
        self.head = nn.Conv2d(architecture.width, class_count, 1)

    def encode(self, image: Tensor) -> tuple[Tensor, list[Tensor]]:
        return self.image_encoder(image).relu(), []

    def decode(self, embedding: Tensor, features: list[Tensor]) -> Tensor:
        logits: Tensor = self.head(embedding)
        return logits

    def draw_class_outputs(self) -> None:
        self.head.reset_parameters()


class RankIntensity(IntensityRule):
    """The rank of each voxel among those of its tile, to a power."""

    kind: Literal["rank"] = "rank"
    power: float = Field(default=1.0, gt=0.0, le=4.0)
    used: ClassVar[list[float]] = []

    def scale(self, image: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        self.used.append(self.power)
        ranks = image.ravel().argsort(kind="stable").argsort().reshape(image.shape)
        return ((ranks / image.size) ** self.power).astype(np.float32)

    def normalise(self, image: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        return (image - np.float32(0.5)).astype(np.float32)


def write_numpy(folder: Path, scan: LabelledScan) -> None:
    np.savez(folder / "labels.npz", labels=scan.labels.array, affine=scan.labels.grid.ijk_to_ras)
    for name, volume in scan.channels.items():
        np.save(folder / f"image-{name}.npy", volume.array)


def read_numpy(path: Path, what: str) -> ExternalLabels:
    stored = np.load(path)
    array = stored["labels"].astype(np.int64)
    segments = tuple(ExternalSegment(value) for value in np.unique(array).tolist() if value)
    grid, _ = grid_of_affine(np.diag([-1, -1, 1, 1]) @ stored["affine"], array.shape, what)
    return ExternalLabels(Volume(array, grid), segments, numbered=True)
