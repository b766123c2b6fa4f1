"""Runs an ensemble over the slices of one case and keeps what the reader needs.

Slices stream by: of the members' probabilities, members x classes x slice is
all that is ever held, and the tiles of the slices that one answer is made of; of
the volume, labels and five maps.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from musclefm.errors import MuscleFMError
from musclefm.inference.demand import tiles_at_once
from musclefm.inference.device import Runtime
from musclefm.inference.framing import Framing
from musclefm.inference.voxel_sums import VoxelSums, likeliest
from musclefm.models.bundle import Bundle
from musclefm.networks.network import SegmentationNetwork
from musclefm.progress import Progress, ProgressEvent
from musclefm.uncertainty.decomposition import decompose
from musclefm.uncertainty.maps import ClassStatistics

# Attributes of a prediction that are maps, the last one of the mean alone.
_MAPS = ("total", "aleatoric", "epistemic", "variance", "least_confidence")

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
        self._classes = bundle.scheme.class_count
        self._temperature = bundle.manifest.temperature
        size = bundle.manifest.architecture.input_size
        kind = runtime.device.type
        self._tiles_at_once = tiles_at_once(size, kind)
        # Answers to tiles that show nothing, by the value that each channel has.
        self._blank: dict[tuple[float, ...], Tensor] = {}
        self._members: list[SegmentationNetwork] = []
        # Of each, the earlier member whose answer it begins with, and after how many stages.
        self._starts: list[tuple[int, int]] = []
        count = len(bundle.manifest.members)
        for index in range(count):
            progress(ProgressEvent("load", index, count, "loading the ensemble"))
            member = bundle.load_member(index, runtime.device)
            self._members.append(self._placed(member))
            self._share_encoder(index)
        self.report_to(progress)

    def report_to(self, progress: Progress) -> None:
        """Call another progress from now on, at first for the members, which are loaded."""
        self._progress = progress
        count = len(self._members)
        progress(ProgressEvent("load", count, count, self._runtime.description))

    def _placed(self, member: SegmentationNetwork) -> SegmentationNetwork:
        return self._runtime.place_for_use(member)

    def _share_encoder(self, index: int) -> None:
        """Let a member start where an earlier one's equal stages end: it encodes from there on."""
        mine = self._members[index].image_encoder
        weights, stages = mine.state_dict(), self._members[index].encoder_stages()
        start, shared = (0, 0), dict[str, Tensor]()
        for earlier, other in enumerate(self._members[:index]):
            theirs = other.image_encoder.state_dict()
            equal = dict[str, Tensor]()
            for number, stage in enumerate(stages, start=1):
                names = [name for name in weights if name.startswith(stage.weights)]
                if not all(torch.equal(weights[name], theirs[name]) for name in names):
                    break
                equal |= {name: theirs[name] for name in names}
                if number > start[1]:
                    start, shared = (earlier, number), equal
        # Equal weights lie in memory once.
        mine.load_state_dict(shared, strict=False, assign=True)
        self._starts.append(start)

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
        kept: dict[tuple[int, int], Any] = {}
        with torch.autocast(device.type, torch.bfloat16, enabled=self._runtime.bf16):
            for index, (member, start) in enumerate(zip(self._members, self._starts, strict=True)):
                state: Any = kept[start] if start[1] else tiles
                stages = member.encoder_stages()[start[1] :]
                for done, stage in enumerate(stages, start=start[1] + 1):
                    state = stage.run(state)
                    if (index, done) in self._starts:
                        kept[index, done] = state
                answers.append(member.decode(*state).float() / self._temperature)
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
        labels = np.zeros((len(membership), membership[0].size), np.uint8)
        # Where no tile tells of, no muscle is the likelier: the first one stands.
        top_muscle = np.ones_like(labels)
        maps = np.zeros((len(_MAPS), *labels.shape), np.float32)
        sums = VoxelSums(self._classes, len(self._members))
        numbers = torch.arange(1.0, self._classes, device=self._runtime.device)
        for k, tiles in self._slices(framing):
            if observe:
                restored = framing.restore(k, tiles)
                observe(k, decompose(restored).mean, restored)
            thigh_of = membership[k].ravel()
            unseen = np.bincount(thigh_of, minlength=thighs + 1)
            for where, answers in framing.answers(k, tiles):
                parts = decompose(answers[:, :, None])
                mean = parts.mean[:, 0]
                muscle, muscles = likeliest(mean[1:], dim=0)
                top = numbers @ muscles
                background = (mean[:1] >= muscle).to(mean.dtype)
                labelled = torch.cat([background, muscles * (1 - background)])
                shown = torch.stack([top * (1 - background[0]), top]).to(torch.uint8)
                labels[k, where], top_muscle[k, where] = shown.cpu()
                certain = torch.maximum(mean[0], muscle[0])
                parts_of = [getattr(parts, name)[0] for name in _MAPS[:-1]]
                maps[:, k, where] = torch.stack([*parts_of, (1 - certain).clamp(min=0)]).cpu()
                found = thigh_of[where]
                unseen -= np.bincount(found, minlength=len(unseen))
                sums.add(found, mean, labelled, likeliest(answers, dim=1)[1])
            for thigh in range(thighs):
                sums.add_background(thigh, unseen[thigh + 1])
        return Prediction(
            labels=labels.reshape(membership.shape),
            top_muscle=top_muscle.reshape(membership.shape),
            statistics=sums.statistics,
            **{n: m.reshape(membership.shape) for n, m in zip(_MAPS, maps, strict=True)},
        )

    def _slices(self, framing: Framing) -> Iterator[tuple[int, Tensor]]:
        """Yield each slice's index and members' probabilities of its tiles ``(T, M, C, h, w)``."""
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
                yield k, mean
                k += 1
                self._progress(ProgressEvent("segment", k, total, "slices"))

    def _answered_tiles(self, framing: Framing) -> Iterator[Tensor]:
        """Yield the members' probabilities of each slice's tiles ``(T, M, C, h, w)``, in turn."""
        batches = self._batches(framing)
        # The next tiles are cut while the networks run.
        with ThreadPoolExecutor(max_workers=1) as pool:
            cut = pool.submit(next, batches, None)
            while tiles := cut.result():
                cut = pool.submit(next, batches, None)
                answers = self.in_batches(torch.cat(tiles))
                yield from torch.split(answers, [len(tile) for tile in tiles])

    def _batches(self, framing: Framing) -> Iterator[list[Tensor]]:
        """Yield the tiles of slices, in turn, as many slices as are run at once."""
        k, total = 0, framing.slice_count
        while k < total:
            tiles = [framing.tiles(k)]
            while k + len(tiles) < total and sum(map(len, tiles)) < self._tiles_at_once:
                tiles.append(framing.tiles(k + len(tiles)))
            yield tiles
            k += len(tiles)

    def in_batches(self, tiles: Tensor) -> Tensor:
        """Return :meth:`probabilities` of tiles, run in as many batches as GPU memory asks for.

        Tiles that show nothing are run once.

        Raises
        ------
        MuscleFMError
            Not even one tile fits.
        """
        shown = (tiles != tiles[:, :, :1, :1]).flatten(1).any(dim=1).tolist()
        if all(shown):
            return self._run(tiles)
        values = [tuple(tile[:, 0, 0].tolist()) for tile in tiles]
        new = {v: n for n, v in enumerate(values) if not shown[n] and v not in self._blank}
        run = [n for n, value in enumerate(values) if shown[n] or new.get(value) == n]
        answers = dict(zip(run, self._run(tiles[run]), strict=True)) if run else {}
        self._blank |= {value: answers[n] for value, n in new.items()}
        return torch.stack(
            [answers[n] if shown[n] else self._blank[value] for n, value in enumerate(values)]
        )

    def _run(self, tiles: Tensor) -> Tensor:
        """Return :meth:`probabilities` of tiles, as :meth:`in_batches`, none left out."""
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
