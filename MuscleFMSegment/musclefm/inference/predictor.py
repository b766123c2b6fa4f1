"""Runs an ensemble over the slices of one case and keeps what the reader needs.

Slices stream by: of the members' probabilities, members x classes x slice is
all that is ever held, and the tiles of the slices that one answer is made of; of
the volume, labels and five maps.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from musclefm.errors import MuscleFMError
from musclefm.inference.demand import tiles_at_once
from musclefm.inference.device import Runtime
from musclefm.inference.framing import Framing
from musclefm.models.bundle import Bundle
from musclefm.networks.network import SegmentationNetwork
from musclefm.progress import Progress, ProgressEvent
from musclefm.uncertainty.decomposition import decompose
from musclefm.uncertainty.maps import ClassStatistics

SliceObserver = Callable[[int, Tensor, Tensor], None]
"""Takes a slice's index, its mean probabilities ``(C, J, I) float32`` and its members'."""


@dataclass(frozen=True)
class Prediction:
    """What an ensemble says of a case, in the orientation of its framing.

    Attributes
    ----------
    labels, top_muscle : ndarray
        ``(K, J, I) uint8``: the likeliest class, and the likeliest muscle.
    total, aleatoric, epistemic, variance, least_confidence : ndarray
        ``(K, J, I) float32``, see :class:`musclefm.uncertainty.maps.EnsembleMaps`.
    statistics : ClassStatistics
        By thigh in place of side: index 0 is thigh 1.
    """

    labels: npt.NDArray[np.uint8]
    top_muscle: npt.NDArray[np.uint8]
    total: npt.NDArray[np.float32]
    aleatoric: npt.NDArray[np.float32]
    epistemic: npt.NDArray[np.float32]
    variance: npt.NDArray[np.float32]
    least_confidence: npt.NDArray[np.float32]
    statistics: ClassStatistics


class EnsemblePredictor:
    """The members of a bundle, loaded on a device.

    Parameters
    ----------
    bundle : Bundle
        The ensemble.
    runtime : Runtime
        Where and how precisely it runs.
    progress : Progress
        Called while loading, for each batch of slices, and once if GPU memory forces
        smaller batches.

    Raises
    ------
    MuscleFMError
        The bundle is a pretrained checkpoint and cannot segment, or is damaged.
    """

    def __init__(self, bundle: Bundle, runtime: Runtime, progress: Progress) -> None:
        bundle.require_ready()
        self._runtime = runtime
        self._progress = progress
        self._classes = bundle.scheme.class_count
        self._temperature = bundle.manifest.temperature
        size = bundle.manifest.architecture.input_size
        kind = runtime.device.type
        self._tiles_at_once = tiles_at_once(size, kind)
        self._members: list[SegmentationNetwork] = []
        count = len(bundle.manifest.members)
        for index in range(count):
            progress(ProgressEvent("load", index, count, "loading the ensemble"))
            member = bundle.load_member(index, runtime.device)
            self._members.append(runtime.place(member))
            self._share_encoder(index)
        progress(ProgressEvent("load", count, count, runtime.description))

    def _share_encoder(self, index: int) -> None:
        """Let a member use the first one's encoder where they are equal, to encode once."""
        first, other = self._members[0].image_encoder, self._members[index].image_encoder
        mine, theirs = first.state_dict(), other.state_dict()
        if all(torch.equal(mine[name], theirs[name]) for name in mine):
            self._members[index].image_encoder = first

    @torch.inference_mode()
    def probabilities(self, tiles: Tensor) -> Tensor:
        """Return each member's softmax of tiles.

        Parameters
        ----------
        tiles : Tensor
            ``(T, channels, S, S) float32``.

        Returns
        -------
        Tensor
            ``(T, M, C, h, w) float32`` on the runtime's device.
        """
        device = self._runtime.device
        tiles = tiles.to(device)
        answers = []
        encoded: tuple[Tensor, list[Tensor]] | None = None
        with torch.autocast(device.type, torch.bfloat16, enabled=self._runtime.bf16):
            for member in self._members:
                shared = member.image_encoder is self._members[0].image_encoder
                if not shared or encoded is None:
                    encoding = member.encode(tiles)
                    encoded = encoding if shared else encoded
                else:
                    encoding = encoded
                answers.append(member.decode(*encoding).float() / self._temperature)
        return torch.stack(answers, dim=1).softmax(dim=2)

    @torch.inference_mode()
    def predict(
        self,
        framing: Framing,
        membership: npt.NDArray[np.uint8],
        thighs: int,
        observe: SliceObserver | None = None,
    ) -> Prediction:
        """Segment a case.

        Parameters
        ----------
        framing : Framing
            Of the case.
        membership : ndarray
            ``(K, J, I) uint8``: the thigh, from 1, of each voxel, in the
            framing's orientation.
        thighs : int
            1 or 2.
        observe : callable, optional
            Shown the probabilities of each slice as it streams by.
        """
        shape, members = membership.shape, len(self._members)
        labels, top_muscle = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
        maps = {
            name: np.zeros(shape, np.float32)
            for name in ("total", "aleatoric", "epistemic", "variance", "least_confidence")
        }
        mass = np.zeros((2, self._classes))
        inside = np.zeros((2, self._classes))
        overlap = np.zeros((2, self._classes, members, members))
        for k, answers in self._slices(framing):
            parts = decompose(answers)
            mean = parts.mean
            if observe:
                observe(k, mean, answers)
            certain, likeliest = mean.max(dim=0)
            labels[k] = likeliest.cpu().numpy()
            top_muscle[k] = mean[1:].argmax(dim=0).cpu().numpy() + 1
            maps["least_confidence"][k] = (1 - certain).clamp(min=0).cpu().numpy()
            for name in ("total", "aleatoric", "epistemic", "variance"):
                maps[name][k] = getattr(parts, name).cpu().numpy()
            votes = answers.argmax(dim=1)
            thigh_of = torch.from_numpy(membership[k]).to(mean.device)
            for thigh in range(thighs):
                mine = thigh_of == thigh + 1
                probability = mean[:, mine]
                chosen = likeliest[mine]
                mass[thigh] += probability.sum(dim=1).double().cpu().numpy()
                inside[thigh] += _sums_by_class(chosen, certain[mine], self._classes)
                overlap[thigh] += _overlaps(votes[:, mine], self._classes)
        statistics = ClassStatistics(mass, inside, overlap)
        return Prediction(labels=labels, top_muscle=top_muscle, statistics=statistics, **maps)

    def _slices(self, framing: Framing) -> Iterator[tuple[int, Tensor]]:
        """Yield each slice's index and members' probabilities ``(M, C, J, I)``."""
        total = framing.slice_count
        kept: deque[Tensor] = deque()
        first = k = 0
        for answered in self._answered_tiles(framing):
            kept.append(answered)
            while k < total and max(shares := framing.shares(k)) < first + len(kept):
                for _ in range(min(shares) - first):
                    kept.popleft()
                first = min(shares)
                mean = torch.zeros_like(answered)
                for place, share in shares.items():
                    mean.add_(kept[place - first], alpha=share)
                yield k, framing.restore(k, mean)
                k += 1
                self._progress(ProgressEvent("segment", k, total, "slices"))

    def _answered_tiles(self, framing: Framing) -> Iterator[Tensor]:
        """Yield the members' probabilities of each slice's tiles ``(T, M, C, h, w)``, in turn."""
        k, total = 0, framing.slice_count
        while k < total:
            tiles = [framing.tiles(k)]
            while k + len(tiles) < total and sum(map(len, tiles)) < self._tiles_at_once:
                tiles.append(framing.tiles(k + len(tiles)))
            answers = self.in_batches(torch.cat(tiles))
            yield from torch.split(answers, [len(tile) for tile in tiles])
            k += len(tiles)

    def in_batches(self, tiles: Tensor) -> Tensor:
        """Return :meth:`probabilities` of tiles, run in as many batches as GPU memory asks for.

        Raises
        ------
        MuscleFMError
            Not even one tile fits.
        """
        fitting = self._tiles_at_once
        while True:
            try:
                batches = torch.split(tiles, fitting)
                answers = torch.cat([self.probabilities(batch) for batch in batches])
                break
            except torch.cuda.OutOfMemoryError as error:
                if fitting == 1:
                    raise MuscleFMError(
                        "the GPU has too little free memory for one tile",
                        "close other programs that use it, or use --device cpu",
                    ) from error
                fitting //= 2
                torch.cuda.empty_cache()
        if fitting < self._tiles_at_once:
            self._tiles_at_once = fitting
            message = f"GPU memory is full: {fitting} tiles at a time"
            self._progress(ProgressEvent("segment", 0, 0, message))
        return answers


def _sums_by_class(classes: Tensor, weights: Tensor, count: int) -> npt.NDArray[np.float64]:
    """Return the sum of the weights ``(V,)`` for each class ``(count,)``."""
    sums: npt.NDArray[np.float64] = (
        torch.bincount(classes, weights.double(), minlength=count).cpu().numpy()
    )
    return sums


def _overlaps(votes: Tensor, classes: int) -> npt.NDArray[np.float64]:
    """Return how often members agree, ``(C, M, M)``, from their labels ``(M, V)``."""
    members = len(votes)
    overlap = np.zeros((classes, members, members))
    for a in range(members):
        for b in range(a, members):
            agreed = votes[a][votes[a] == votes[b]]
            counts = torch.bincount(agreed, minlength=classes).double().cpu().numpy()
            overlap[:, a, b] = overlap[:, b, a] = counts
    return overlap
