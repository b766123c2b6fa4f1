"""How much faster the decoder is trained on image embeddings that are kept on disk.

The network is SAM's ViT-B with random weights, as speed does not ask what it has
learned; the tiles are slices of the shipped sample. Both ways are timed in one
run on the same tiles. Run from the repository's root, with musclefm installed::

    python Testing/benchmarks/embedding_cache.py [--size 448] [--epochs 6] [--device auto]

It prints Markdown. An epoch that fills the cache encodes as much as one without it.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch

from musclefm.demo.sample import sample_channels
from musclefm.evaluation.labelled_case import LabelledCase
from musclefm.inference.device import choose_runtime
from musclefm.labels.scheme import load_scheme
from musclefm.models.intensity import PublishedIntensity
from musclefm.models.manifest import BundleCard, ModelInput, WholeSlice
from musclefm.networks.architecture import VIT_B
from musclefm.networks.sam import MultiClassSam
from musclefm.progress import silent
from musclefm.training.data.batches import TileSource
from musclefm.training.data.embeddings import EmbeddingSource
from musclefm.training.data.labelled_tiles import cut_tiles
from musclefm.training.data.tiles import TileFolder, write_tiles
from musclefm.training.distributed import SINGLE_PROCESS
from musclefm.training.fitting.fit import MemberTiles, fit_member
from musclefm.training.recipe import FineTuning
from musclefm.volumes.channels import read_channels
from musclefm.volumes.stored import read_stored

SCHEME = load_scheme("thigh-11")
TRAINED, FOLD, VIEWS = 4, 2, 2


def learning_case() -> LabelledCase:
    """Return the shipped sample with labels in a few slices only."""
    paths = sample_channels()
    labels = read_stored(paths["water"].with_name("labels.nii.gz"), "the labels")
    array = labels.array.astype(np.uint8)
    chosen = np.linspace(3, len(array) - 4, TRAINED + FOLD).round().astype(int)
    known = np.full_like(array, 255)
    known[chosen] = array[chosen]
    return LabelledCase("sample", read_channels(paths), labels.with_array(known), SCHEME)


def epoch_seconds(source, tiles, model, recipe, runtime, folder: Path) -> list[float]:
    """Return how long each epoch of training took."""
    marks = []

    def reported(record, done, total):
        if record:
            marks.append(time.perf_counter())

    fit_member(
        model, source, tiles, recipe, 0, runtime, SINGLE_PROCESS, folder / "state.pt", reported
    )
    (folder / "state.pt").unlink()
    return [later - earlier for earlier, later in pairwise(marks)]


def main() -> None:
    """Time both ways and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=448)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--device", default="auto")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    runtime = choose_runtime(arguments.device)
    architecture = VIT_B.model_copy(update={"input_size": arguments.size})
    model = MultiClassSam(architecture, SCHEME.class_count).to(runtime.device)
    card = BundleCard(
        name="speed", title="Speed", version="1", description="", architecture=architecture,
        scheme=SCHEME.name, training_data="", licence="",
        input=ModelInput(intensity=PublishedIntensity(), framing=WholeSlice()),
    )  # fmt: skip
    recipe = FineTuning(epochs=arguments.epochs, patience=arguments.epochs, batch=2, views=VIEWS)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_tiles([cut_tiles(learning_case(), card)], folder / "tiles")
        tiles = TileFolder(folder / "tiles")
        numbers = np.arange(TRAINED + FOLD)
        mine = MemberTiles(numbers[:TRAINED], numbers[TRAINED:], tiles.cases[TRAINED:])
        shown = TileSource(tiles, recipe, runtime)
        kept = EmbeddingSource(
            folder / "kept", shown, model, numbers, numbers[:TRAINED], recipe, runtime,
            SINGLE_PROCESS, silent,
        )  # fmt: skip
        without = epoch_seconds(shown, mine, model, replace(recipe, epochs=2), runtime, folder)
        cached = epoch_seconds(kept, mine, model, recipe, runtime, folder)
    slow, fast = statistics.median(without), statistics.median(cached[VIEWS:])
    print(f"## Decoder-only training, SAM ViT-B at {arguments.size} px, {runtime.description}\n")
    print(f"{TRAINED} tiles to learn from and {FOLD} to validate on; median of the epochs.\n")
    print("| | seconds an epoch |\n|---|---|")
    print(f"| encoding every time | {slow:.2f} |")
    print(f"| embeddings kept on disk | {fast:.2f} |")
    print(f"| ratio | {slow / fast:.1f} |")


if __name__ == "__main__":
    main()
