"""Labelled thighs that a tiny network learns in a second, stored as corrections."""

import dataclasses
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from tiny_ensemble import SCHEME

from musclefm.corrections import access
from musclefm.corrections.case import CorrectedCase, Reviewed
from musclefm.corrections.store import CorrectionStore
from musclefm.inference.device import choose_runtime
from musclefm.models.bundle import Bundle
from musclefm.progress import silent
from musclefm.training.data.labelled_tiles import LabelledCases
from musclefm.training.plan import TrainingPlan
from musclefm.training.recipe import Augmentation, FineTuning
from musclefm.training.train import train_ensemble
from musclefm.volumes.grid import Grid
from musclefm.volumes.volume import Volume

CPU = choose_runtime("cpu", "fp32")

GRID = Grid(
    shape=(3, 26, 52),
    spacing=(8.0, 8.0, 30.0),
    origin=(-204.0, -100.0, 40.0),
    direction=(1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0),
)
LEFT = len(SCHEME.labels)

# Vastus lateralis lies laterally and is bright, gracilis medially and dark.
LATERAL, MEDIAL = 3, 7

GENTLE = Augmentation(rotation_deg=4, zoom=1.05, shift=0.02, gamma=1.1, bias=0.05, noise=0.02)
SHORT = FineTuning(
    trained="full",
    slice_size=32,
    members=1,
    folds=2,
    held_out=0.0,
    epochs=3,
    batch=4,
    learning_rate=5e-3,
    warm_up=2,
    averaging=0.5,
    augmentation=GENTLE,
    views=2,
    seed=3,
)


def thighs(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return an image ``(K, J, I) float32`` and its sided labels of two thighs."""
    rng = np.random.default_rng(seed)
    slices, rows, columns = GRID.shape
    image = rng.normal(5, 2, GRID.shape)
    labels = np.zeros(GRID.shape, np.uint8)
    row, column = np.mgrid[:rows, :columns]
    for side, (middle, outward) in enumerate(((13, -1), (38, 1))):
        for k in range(slices):
            top = 12.5 + rng.uniform(-1, 1)
            body = np.hypot(row - top, column - middle) < 10
            image[k][body] = 90
            for label, place, tone in ((LATERAL, 4, 230), (MEDIAL, -4, 160)):
                at = middle + outward * place + rng.uniform(-0.5, 0.5)
                muscle = np.hypot(row - top, 1.3 * (column - at)) < 4
                labels[k][muscle] = label + side * LEFT
                image[k][muscle] = tone
    noisy = image + rng.normal(0, 4, image.shape)
    return noisy.clip(0).astype(np.float32), labels


def labelled_case(seed: int, reviewed: Reviewed | None = None) -> CorrectedCase:
    """Return a corrected case of :func:`thighs`."""
    image, labels = thighs(seed)
    return CorrectedCase(
        channels={"image": Volume(image, GRID)},
        labels=Volume(labels, GRID),
        reviewed=reviewed or Reviewed("all"),
        scheme=SCHEME.name,
    )


def made_store(folder: Path, subjects: int = 4) -> Path:
    """Store a reviewed case of each of some subjects, under keys that are the same every time."""
    store = CorrectionStore(folder)
    # Folds follow the keys, and those a salt that is drawn anew for every store.
    with patch.object(access.secrets, "token_bytes", return_value=bytes(32)):
        for seed in range(subjects):
            store.add(labelled_case(seed), subject=f"person {seed}")
    return folder


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    """Tell whether two sets of tensors are equal to the last bit."""
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@contextmanager
def one_thread() -> Iterator[None]:
    """Run tiny networks in one thread: several only wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def plan_of(folder: Path, start: Bundle, store: Path, **changes: Any) -> TrainingPlan:
    """Return a plan to train on a store by the short recipe, with changes."""
    recipe = dataclasses.replace(SHORT, **changes)
    return TrainingPlan(
        start, LabelledCases(store), recipe, folder / "new", folder / "work", "learned", "2"
    )


def train(
    folder: Path, start: Bundle, store: Path, **changes: Any
) -> tuple[Bundle | None, dict[str, Any]]:
    """Train by :func:`plan_of`, and return the bundle and the record of the training."""
    bundle = train_ensemble(plan_of(folder, start, store, **changes), CPU, silent)
    return bundle, json.loads((folder / "work" / "training.json").read_text())
