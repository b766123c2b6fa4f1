"""What is to be segmented, and how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import slicer
from slicer.i18n import tr as _

from musclefm.errors import MuscleFMError
from MuscleFMSegmentLib.scene.input_volume import checkInput


@dataclass(frozen=True)
class SegmentationRun:
    """One segmentation.

    Attributes
    ----------
    channels : Mapping
        A volume by the name of its channel: ``image``, or two of a Dixon scan.
    model, device : str
        As the library calls them.
    """

    channels: Mapping[str, slicer.vtkMRMLScalarVolumeNode]
    model: str
    device: str

    @property
    def volumeNode(self) -> slicer.vtkMRMLScalarVolumeNode:
        """The volume that the results are shown on."""
        return next(iter(self.channels.values()))

    def check(self) -> tuple[str, ...]:
        """Return warnings, or refuse the volumes.

        Raises
        ------
        MuscleFMError
            As :func:`MuscleFMSegmentLib.scene.input_volume.checkInput`.
        """
        if len({node.GetID() for node in self.channels.values() if node}) < len(self.channels):
            raise MuscleFMError(
                _("the two images are the same volume"),
                _("choose the other image of the Dixon scan"),
            )
        return tuple(note for node in self.channels.values() for note in checkInput(node))

    def command(self, images: Path, results: Path) -> list[str]:
        """Return the library's command.

        Parameters
        ----------
        images, results : Path
            The folder that :func:`writeInput` wrote the images to, and one to be made for
            the results.
        """
        files = {channel: images / f"{channel}.nrrd" for channel in self.channels}
        named = [f"--channel={channel}={path}" for channel, path in files.items()]
        image = [str(files["image"])] if "image" in files else named
        out = ["--out", str(results), "--progress", "json"]
        return ["segment", *image, "--model", self.model, "--device", self.device, *out]
