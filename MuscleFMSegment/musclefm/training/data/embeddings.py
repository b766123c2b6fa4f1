"""Image embeddings on disk, for training that leaves the image encoder as it is.

The encoder takes nearly all of the time. Where only the decoder is trained, it
runs once on each of a few versions of every tile; epochs take them in turn.
Members that start from the same encoder share them.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from pydantic import TypeAdapter
from torch import Tensor

from musclefm.errors import MuscleFMError, warn
from musclefm.inference.device import Runtime
from musclefm.networks.network import SegmentationNetwork
from musclefm.progress import Progress, ProgressEvent
from musclefm.storage.atomic import atomic_text
from musclefm.storage.lock import acquired_lock
from musclefm.storage.regular_file import is_file, read_regular, sha256_of
from musclefm.storage.user_data import make_private_folder
from musclefm.training.data.batches import ORIGINAL, TileSource, precision
from musclefm.training.data.tiles import Tiles
from musclefm.training.distributed import DistributedContext
from musclefm.training.recipe import FineTuning

_LABELS = "labels"
# What lies in a folder once it is complete: dtype, shape and hash of each array, labels last.
_ArrayKinds = TypeAdapter(dict[str, tuple[str, tuple[int, ...], str]])
_LARGEST_NOTE = 1 << 20
_BUSY = MuscleFMError("another process encodes the same images", "wait until it is done")
_AS_LONG_AS_IT_TAKES = -1.0


class EmbeddingSource:
    """Shows a network embeddings of its own encoder, kept on disk.

    Parameters
    ----------
    folder : Path
        For the embeddings of all encoders.
    shown : TileSource
        What is encoded.
    encoder : SegmentationNetwork
        Whose image encoder is used, on the runtime's device.
    everything, trained_on : ndarray
        Numbers of all tiles, and of those that are trained on: only these are
        augmented.
    recipe : FineTuning
        How many versions are kept of each tile, and tiles that are encoded at once.
    runtime : Runtime
        Where networks run.
    context : DistributedContext
        Shares out the encoding.
    progress : Progress
        Called for each batch that is encoded.

    Raises
    ------
    MuscleFMError
        The disk has too little space.
    """

    def __init__(
        self,
        folder: Path,
        shown: TileSource,
        encoder: SegmentationNetwork,
        everything: Tiles,
        trained_on: Tiles,
        recipe: FineTuning,
        runtime: Runtime,
        context: DistributedContext,
        progress: Progress,
    ) -> None:
        self._folder = folder / _digest(encoder)
        self._shown = shown
        self._encoder = encoder
        self._everything = everything
        self._trained_on = trained_on
        self._recipe = recipe
        self._runtime = runtime
        self._context = context
        self._progress = progress
        # At once, while all processes are here: not all of them may be asked for it.
        self._open = {ORIGINAL: self._load(ORIGINAL)}

    def version(self, epoch: int) -> int:
        """Return the versions in turn."""
        return epoch % self._recipe.views

    def answer(
        self, model: SegmentationNetwork, tiles: Tiles, version: int
    ) -> tuple[Tensor, Tensor]:
        """Return logits and labels of tiles, see :class:`Source`."""
        if version not in self._open:
            self._open[version] = self._load(version)
        device = self._runtime.device
        *encoded, labels = (
            torch.from_numpy(stored[tiles]).to(device) for stored in self._open[version]
        )
        embedding, *features = (tensor.float() for tensor in encoded)
        with precision(self._runtime):
            logits = model.decode(embedding, features)
        return logits.float(), labels

    def absent(self, tiles: Tiles) -> Tensor | None:
        """Return the absent classes of tiles, see :class:`Source`."""
        return self._shown.absent(tiles)

    def _load(self, version: int) -> list[npt.NDArray[np.generic]]:
        """Open the arrays of a version; they are made where they are not there."""
        done = self._folder / f"version-{version}.done"
        make_private_folder(self._folder)
        with ExitStack() as turn:
            # A member on another machine may have the same encoder and be at it already.
            if self._context.size == 1:
                lock = acquired_lock(self._folder / ".lock", _BUSY, timeout_s=_AS_LONG_AS_IT_TAKES)
                turn.callback(lock.release)
            if os.path.lexists(done):
                try:
                    return self._kept(version, done)
                except (OSError, EOFError, ValueError):
                    # Every process finds the same; one says so.
                    if self._context.is_main_process:
                        warn("kept image embeddings are damaged: they are made anew")
            self._encode(version, done)
        return self._kept(version, done)

    def _kept(self, version: int, done: Path) -> list[npt.NDArray[np.generic]]:
        """Open the arrays of a version, embeddings first; ``ValueError`` where they are damaged."""
        kinds = _ArrayKinds.validate_json(read_regular(done, _LARGEST_NOTE))
        arrays = []
        for name, (dtype, shape, sha256) in kinds.items():
            file = self._file(version, name)
            if not is_file(file):
                raise FileNotFoundError(file)
            if sha256_of(file) != sha256:
                raise ValueError("an array is not as it was written")
            array = np.load(file, mmap_mode="r")
            if (array.dtype.str, array.shape) != (dtype, shape):
                raise ValueError("an array is not what was kept")
            arrays.append(array)
        return arrays

    def _encode(self, version: int, done: Path) -> None:
        tiles = self._everything if version == ORIGINAL else self._trained_on
        kinds: dict[str, tuple[str, tuple[int, ...]]] = {}
        if self._context.is_main_process:
            for former in (done, *self._folder.glob(f"version-{version}-*.npy")):
                former.unlink(missing_ok=True)
            first = self._encoded(tiles[:1], version)
            self._require_space(len(tiles) * sum(tensor.nbytes for tensor in first.values()))
            for name, tensor in first.items():
                shape = (int(self._everything.max()) + 1, *tensor.shape[1:])
                np.lib.format.open_memmap(self._file(version, name), "w+", tensor.dtype, shape)
                kinds[name] = tensor.dtype.str, shape
        self._context.barrier()
        mine = tiles[self._context.rank :: self._context.size]
        for start in range(0, len(mine), self._recipe.batch):
            chosen = mine[start : start + self._recipe.batch]
            for name, tensor in self._encoded(chosen, version).items():
                np.load(self._file(version, name), mmap_mode="r+")[chosen] = tensor
            message = f"image embeddings, version {version + 1}"
            self._progress(ProgressEvent("encode", start + len(chosen), len(mine), message))
        self._context.barrier()
        if self._context.is_main_process:
            written = {
                name: (dtype, shape, sha256_of(self._file(version, name)))
                for name, (dtype, shape) in kinds.items()
            }
            atomic_text(done, _ArrayKinds.dump_json(written).decode() + "\n")
        self._context.barrier()

    def _require_space(self, needed: int) -> None:
        # A mapped file on a full disk would end the process without a word.
        if shutil.disk_usage(self._folder).free < needed:
            raise MuscleFMError(
                f"image embeddings need {needed / 1e9:.1f} GB, which the disk has not free",
                "free some space, give another --work, or train with --views 0",
            )

    @torch.no_grad()
    def _encoded(self, tiles: Tiles, version: int) -> dict[str, npt.NDArray[np.generic]]:
        images, labels = self._shown.shown(tiles, version)
        with precision(self._runtime):
            embedding, features = self._encoder.encode(images)
        arrays: dict[str, npt.NDArray[np.generic]] = {
            str(number): tensor.half().cpu().numpy()
            for number, tensor in enumerate([embedding, *features])
        }
        return arrays | {_LABELS: labels.cpu().numpy()}

    def _file(self, version: int, name: str) -> Path:
        return self._folder / f"version-{version}-{name}.npy"


def _digest(encoder: SegmentationNetwork) -> str:
    digest = hashlib.sha256()
    for name, tensor in encoder.image_encoder.state_dict().items():
        digest.update(name.encode() + tensor.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]
