"""What nnU-Net does in a process of its own: planning, preprocessing, training.

nnU-Net reads its folders from the environment when it is imported, and its own processes are
started anew, so it is run as ``python -m musclefm.benchmark.nnunet_process SETTINGS``. Lines
that begin with :data:`STEP` say how far it is, and its clock; all others are nnU-Net's.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from musclefm.benchmark.timing import clock

STEP = "musclefm-step"
DATASET_ID = 700
PLANS = "nnUNetPlans"


def prepare(settings: dict[str, Any]) -> None:
    """Plan for the data set in ``nnUNet_raw`` and preprocess it."""
    from nnunetv2.experiment_planning.plan_and_preprocess_api import (
        extract_fingerprints,
        plan_experiments,
        preprocess,
    )

    extract_fingerprints([DATASET_ID], num_processes=1)
    plan_experiments([DATASET_ID], gpu_memory_target_in_gb=settings["memory_gb"])
    preprocess([DATASET_ID], configurations=(settings["configuration"],), num_processes=(1,))


def train(settings: dict[str, Any]) -> None:
    """Train a fold, or resume it after its last finished epoch."""
    from nnunetv2.paths import nnUNet_preprocessed
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

    class MuscleFMTrainer(nnUNetTrainer):  # type: ignore[misc]
        """nnU-Net's trainer, whose checkpoints appear whole and which tells of its steps."""

        def initialize(self) -> None:
            super().initialize()
            if settings["bf16"]:
                self.network.forward = _in_bf16(self.network.forward)

        def save_checkpoint(self, filename: str) -> None:
            super().save_checkpoint(f"{filename}.part")
            Path(f"{filename}.part").replace(filename)

        def train_step(self, batch: dict[str, Any]) -> Any:
            outcome = super().train_step(batch)
            self.steps = getattr(self, "steps", 0) + 1
            before = self.current_epoch * self.num_iterations_per_epoch
            total = self.num_epochs * self.num_iterations_per_epoch
            done = before + (self.steps - 1) % self.num_iterations_per_epoch + 1
            sys.stdout.write(f"{STEP} {done} {total} {clock(settings['device'])}\n")
            sys.stdout.flush()
            return outcome

        def plot_network_architecture(self) -> None:
            """Draw nothing: it needs a program that is rarely there."""

    # What it writes is what nnU-Net's own commands know.
    MuscleFMTrainer.__name__ = "nnUNetTrainer"
    (folder,) = Path(str(nnUNet_preprocessed)).glob(f"Dataset{DATASET_ID:03d}_*")
    plans = json.loads((folder / f"{PLANS}.json").read_text("utf-8"))
    configuration = settings["configuration"]
    if settings["batch"]:
        plans["configurations"][configuration]["batch_size"] = settings["batch"]
    dataset = json.loads((folder / "dataset.json").read_text("utf-8"))
    fold, seed = settings["fold"], settings["seed"] + settings["fold"]
    torch.manual_seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    # The trainer asks for it since 2.7 and takes it away.
    plans["continue_training"] = False
    device = torch.device(settings["device"])
    trainer = MuscleFMTrainer(plans, configuration, fold, dataset, device=device)
    plans.pop("continue_training", None)
    trainer.save_every = 1
    trainer.num_epochs = settings["epochs"]
    if settings["steps"]:
        trainer.num_iterations_per_epoch = settings["steps"]
        trainer.num_val_iterations_per_epoch = max(1, settings["steps"] // 10)
    if settings["learning_rate"]:
        trainer.initial_lr = settings["learning_rate"]
    latest = Path(trainer.output_folder) / "checkpoint_latest.pth"
    if latest.is_file():
        trainer.load_checkpoint(str(latest))
    trainer.run_training()


def _in_bf16(forward: Callable[[Tensor], list[Tensor]]) -> Callable[[Tensor], list[Tensor]]:
    """Return a forward pass on the CPU in bfloat16, as all other systems compute there."""

    def lower(images: Tensor) -> list[Tensor]:
        with torch.autocast("cpu", torch.bfloat16):
            return [logits.float() for logits in forward(images)]

    return lower


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    # Its augmenting processes would take the cores that train, or wait for each other.
    alone = "fold" in given and (given["device"] == "cpu" or (os.cpu_count() or 1) < 8)
    os.environ.setdefault("nnUNet_n_proc_DA", "0" if alone else "6")
    (train if "fold" in given else prepare)(given)
