"""From volumes of the scene to a running segmentation."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import slicer

from musclefm.errors import MuscleFMError
from MuscleFMSegmentLib.process.job import Job, Outcome
from MuscleFMSegmentLib.process.job_progress import ProgressUpdate
from MuscleFMSegmentLib.process.library_process import startLibrary
from MuscleFMSegmentLib.scene.input_volume import checkInput, exportInput

_LOOK_EVERY_S = 0.05


@dataclass(frozen=True)
class RunRequest:
    """What is to be segmented, and how.

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
                "the two images are the same volume", "choose the other image of the Dixon scan"
            )
        return tuple(note for node in self.channels.values() for note in checkInput(node))


def startRun(
    request: RunRequest,
    images: Path,
    results: Path,
    onProgress: Callable[[ProgressUpdate], None],
    onLog: Callable[[str], None],
) -> Job:
    """Start a segmentation.

    Parameters
    ----------
    request : RunRequest
        Checked already.
    images, results : Path
        An empty folder for the images that the library reads, and one to be made for
        its results.
    onProgress, onLog : callable
        As for :class:`Job`.

    Raises
    ------
    MuscleFMError
        The volumes cannot be handed over, or Python cannot be started.
    """
    files = exportInput(request.channels, images)
    named = [f"--channel={channel}={path}" for channel, path in files.items()]
    image = [str(files["image"])] if "image" in files else named
    options = ["--model", request.model, "--device", request.device, "--progress", "json"]
    try:
        process = startLibrary(["segment", *image, "--out", str(results), *options])
    except OSError as error:
        raise MuscleFMError(
            f"the library's Python cannot be started ({error.strerror})",
            "install MuscleFMSegment again",
        ) from error
    return Job(process, onProgress, onLog)


def waitFor(job: Job, meanwhile: Callable[[], None]) -> Outcome:
    """Wait until a job has ended, for scripts."""
    while True:
        outcome = job.poll()
        if outcome:
            return outcome
        meanwhile()
        time.sleep(_LOOK_EVERY_S)
