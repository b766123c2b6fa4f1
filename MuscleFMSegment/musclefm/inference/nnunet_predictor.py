"""Runs the folds of an nnU-Net as nnU-Net runs them: its preprocessing, its sliding window.

What nnU-Net knows of a volume is its voxels and their spacing, both from our grid. Each
fold's logits, resampled to the volume's own voxels, are kept in a temporary file as float16;
slices are then read from it, so that only one slice of all folds is ever in memory.
"""

from __future__ import annotations

import contextlib
import io
import math
import tempfile
from collections.abc import Callable, Iterator, Mapping
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from musclefm.errors import MuscleFMError
from musclefm.inference.device import Runtime
from musclefm.inference.framing import Framing, voxels_at_once
from musclefm.inference.predictor import EnsemblePredictor
from musclefm.models.bundle import Bundle
from musclefm.models.framing_rules import NnUNetVolume, Resampling
from musclefm.networks.network import SegmentationNetwork
from musclefm.networks.nnunet import NnUNetArchitecture, nnunet_is_missing
from musclefm.progress import Progress, ProgressEvent

_CONFIGURATION = "configuration"
_RESAMPLING = "resample_data_or_seg_to_shape"
_OVERLAP_STEP = 0.5


class VolumeFraming(Framing):
    """A case as nnU-Net sees it: the volume as a whole.

    Parameters
    ----------
    channels : ndarray
        ``(N, K, J, I) float32``, in the orientation of the network but for ``turned``.
    spacing : tuple of float
        Of the axes K, J and I in mm.
    turned : bool
        Whether the network sees each slice turned by 180 degrees.
    """

    def __init__(
        self, channels: npt.NDArray[np.float32], spacing: tuple[float, ...], turned: bool
    ) -> None:
        self.seen = channels[:, :, ::-1, ::-1] if turned else channels
        self.spacing, self.turned = spacing, turned

    @property
    def slice_shape(self) -> tuple[int, int]:
        """Size of a slice, J and I."""
        rows, columns = self.seen.shape[2:]
        return rows, columns

    @property
    def slice_count(self) -> int:
        """Number of slices, K."""
        return int(self.seen.shape[1])

    def tiles(self, k: int) -> Tensor:
        """Refuse: there are none."""
        raise _no_tiles()

    def label_tiles(self, k: int, labels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Refuse, as :meth:`tiles`."""
        raise _no_tiles()

    def shares(self, k: int) -> Mapping[int, float]:
        """Return the slice alone, see :class:`Framing`."""
        return {k: 1.0}

    def answers(
        self, k: int, probabilities: Tensor
    ) -> Iterator[tuple[npt.NDArray[np.int64], Tensor]]:
        """Yield all voxels with ``(M, C, V)`` from ``(1, M, C, J, I)`` as the network sees them."""
        seen = probabilities[0].flip(2, 3) if self.turned else probabilities[0]
        step = voxels_at_once(probabilities)
        for number, answers in enumerate(seen.flatten(2).split(step, dim=2)):
            yield number * step + np.arange(answers.shape[2]), answers


class NnUNetPredictor(EnsemblePredictor):
    """The folds of an nnU-Net, loaded on a device; without mirroring.

    Parameters
    ----------
    bundle, runtime, progress
        As of :class:`EnsemblePredictor`.

    Raises
    ------
    MuscleFMError
        nnU-Net is not installed, or as of :class:`EnsemblePredictor`.
    """

    def __init__(self, bundle: Bundle, runtime: Runtime, progress: Progress) -> None:
        manifest = bundle.manifest
        architecture, rule = manifest.architecture, manifest.input.framing
        if not isinstance(architecture, NnUNetArchitecture) or not isinstance(rule, NnUNetVolume):
            raise TypeError(f"model '{manifest.name}' is no nnU-Net")
        try:
            from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
            from nnunetv2.preprocessing.preprocessors.default_preprocessor import (
                DefaultPreprocessor,
            )
            from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
        except ImportError as error:
            raise nnunet_is_missing(error) from error
        super().__init__(bundle, runtime, progress)
        self._outputs = torch.tensor(architecture.classes, device=runtime.device)
        self._dataset = {"labels": _outputs_by_name(len(architecture.classes))}
        self._plans = PlansManager(_plans(architecture, rule))
        self._configuration = self._plans.get_configuration(_CONFIGURATION)
        self._preprocessor = DefaultPreprocessor(verbose=False)
        # It tells the standard output what it does otherwise on a CPU.
        with contextlib.redirect_stdout(io.StringIO()):
            self._window = nnUNetPredictor(
                tile_step_size=_OVERLAP_STEP,
                use_mirroring=False,
                device=runtime.device,
                allow_tqdm=False,
            )
            self._window.manual_initialization(
                self._members[0],
                self._plans,
                self._configuration,
                None,
                self._dataset,
                "nnUNetTrainer",
                None,
            )

    def _placed(self, member: SegmentationNetwork) -> SegmentationNetwork:
        # In float32, from which autocast takes what precision it needs.
        return self._runtime.place(member)

    def _slices(self, framing: Framing) -> Iterator[tuple[int, Tensor]]:
        """Yield each slice's index and members' probabilities ``(1, M, C, J, I)``."""
        if not isinstance(framing, VolumeFraming):
            raise TypeError("an nnU-Net takes volumes")
        members, device = len(self._members), self._runtime.device
        with tempfile.TemporaryFile() as file:
            box = self._write_logits(framing, file)
            size = [edge.stop - edge.start for edge in box]
            shape = (members, len(self._outputs), *size)
            logits = np.memmap(file, np.float16, "r", shape=shape)
            for k in range(framing.slice_count):
                answers = torch.zeros(members, self._classes, *framing.slice_shape, device=device)
                # What nnU-Net crops away is background.
                answers[:, 0] = 1
                if box[0].start <= k < box[0].stop:
                    inside = torch.from_numpy(logits[:, :, k - box[0].start].astype(np.float32))
                    outputs = (inside.to(device) / self._temperature).softmax(dim=1)
                    answers[:, 0, box[1], box[2]] = 0
                    answers[:, :, box[1], box[2]] = answers[:, :, box[1], box[2]].index_add(
                        1, self._outputs, outputs
                    )
                yield k, answers[None]
            del logits

    def _write_logits(self, framing: VolumeFraming, file: IO[bytes]) -> tuple[slice, ...]:
        """Write each member's logits ``(outputs, k, j, i) float16`` of a box; return the box."""
        forward = self._plans.transpose_forward
        spacing = [framing.spacing[axis] for axis in forward]
        # It takes up what is cropped and how; versions differ in what else they return.
        found: dict[str, Any] = {"spacing": list(framing.spacing)}
        data = self._preprocessor.run_case_npy(
            framing.seen,
            None,
            found,
            self._plans,
            self._configuration,
            self._dataset,
        )[0]
        box = [slice(int(low), int(high)) for low, high in found["bbox_used_for_cropping"]]
        target = self._configuration.spacing
        target = target if len(target) == len(spacing) else [spacing[0], *target]
        seen = torch.from_numpy(np.asarray(data))
        steps = self._steps(seen.shape[1:])
        total = steps * len(self._members)
        for index, network in enumerate(self._members):
            for head in self._logits(seen, network, steps * index, total):
                # Each takes long, and work is stopped from here.
                self._progress(ProgressEvent("segment", steps * (index + 1), total, "resampling"))
                own = self._configuration.resampling_fn_probabilities(
                    head[None].cpu(),
                    found["shape_after_cropping_and_before_resampling"],
                    target,
                    spacing,
                )
                array = np.asarray(own[0]).transpose(self._plans.transpose_backward)
                try:
                    file.write(array.astype(np.float16).tobytes())
                except OSError as error:
                    raise MuscleFMError(
                        f"the logits cannot be kept ({error.strerror or 'output error'})",
                        "free space in the folder for temporary files, or set TMPDIR to another",
                    ) from error
        file.flush()
        return tuple(box[axis] for axis in self._plans.transpose_backward)

    def _logits(self, data: Tensor, network: nn.Module, done: int, total: int) -> Tensor:
        """Return a member's logits of preprocessed data, ``(outputs, …) float16``."""

        def report() -> None:
            nonlocal done
            done += 1
            self._progress(ProgressEvent("segment", done, total, "patches"))

        self._window.network = _Patchwise(network, self._runtime, report)
        try:
            return self._window.predict_sliding_window_return_logits(data)
        except torch.cuda.OutOfMemoryError as error:
            raise MuscleFMError(
                "the GPU has too little free memory for one patch",
                "close other programs that use it, or use --device cpu",
            ) from error

    def _steps(self, shape: tuple[int, ...]) -> int:
        """Return how many patches nnU-Net looks at in a volume."""
        from nnunetv2.inference.sliding_window_prediction import compute_steps_for_sliding_window

        patch = self._configuration.patch_size
        sizes = [max(*pair) for pair in zip(shape[-len(patch) :], patch, strict=True)]
        places = compute_steps_for_sliding_window(sizes, patch, _OVERLAP_STEP)
        return math.prod([*shape[: -len(patch)], *map(len, places)])


class _Patchwise(nn.Module):
    """A network in the runtime's precision, not nnU-Net's, that reports every patch."""

    def __init__(self, network: nn.Module, runtime: Runtime, report: Callable[[], None]) -> None:
        super().__init__()
        self.network, self._runtime, self._report = network, runtime, report

    def forward(self, patch: Tensor) -> Tensor:
        """Return logits in float32."""
        runtime = self._runtime
        with torch.autocast(runtime.device.type, torch.bfloat16, enabled=runtime.bf16):
            logits: Tensor = self.network(patch)
        self._report()
        return logits.float()


def _no_tiles() -> MuscleFMError:
    return MuscleFMError(
        "an nnU-Net sees volumes, and this needs a model that sees slices",
        "choose another model; an nnU-Net is trained by nnU-Net and imported again",
    )


def _outputs_by_name(count: int) -> dict[str, int]:
    return {"background": 0} | {f"output {number}": number for number in range(1, count)}


def _plans(architecture: NnUNetArchitecture, rule: NnUNetVolume) -> dict[str, Any]:
    """Return nnU-Net's plans, of nothing but what the manifest was checked to say."""
    return {
        "dataset_name": "bundle",
        "plans_name": "nnUNetPlans",
        "image_reader_writer": "SimpleITKIO",
        "label_manager": "LabelManager",
        "transpose_forward": list(rule.transpose),
        "transpose_backward": np.argsort(rule.transpose).tolist(),
        "foreground_intensity_properties_per_channel": {
            str(number): channel.model_dump(exclude={"scheme", "use_mask"})
            for number, channel in enumerate(rule.normalisation)
        },
        "configurations": {
            _CONFIGURATION: {
                "data_identifier": _CONFIGURATION,
                "preprocessor_name": "DefaultPreprocessor",
                "batch_size": 1,
                "patch_size": list(architecture.patch_size),
                "spacing": list(rule.spacing_mm),
                "normalization_schemes": [channel.scheme for channel in rule.normalisation],
                "use_mask_for_norm": [channel.use_mask for channel in rule.normalisation],
                "resampling_fn_data": _RESAMPLING,
                "resampling_fn_data_kwargs": _resampling(rule.image_resampling),
                "resampling_fn_seg": _RESAMPLING,
                "resampling_fn_seg_kwargs": _resampling(Resampling(order=1), labels=True),
                "resampling_fn_probabilities": _RESAMPLING,
                "resampling_fn_probabilities_kwargs": _resampling(rule.logit_resampling),
                "batch_dice": False,
                # The networks are there already.
                "architecture": {},
            }
        },
    }


def _resampling(rule: Resampling, labels: bool = False) -> dict[str, Any]:
    return rule.model_dump() | {"is_seg": labels}
