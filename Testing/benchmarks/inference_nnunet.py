"""How long nnU-Net 3D takes for a volume that the ensembles of ``inference.py`` take.

nnunetv2's own planner plans ``3d_fullres`` for 8 GB and cases of 40 x 256 x 256 voxels of
5 x 1.5 x 1.5 mm, two channels, 12 muscles; its own predictor runs a fold of random weights on
one patch, without mirroring, and what it takes is multiplied by patches and folds.
Resampling, softmax and the mean over folds are left out, to its favour. Run with musclefm and
nnunetv2 installed::

    python Testing/benchmarks/inference_nnunet.py
"""

from __future__ import annotations

import argparse
import json
import math
import os
import tempfile
from pathlib import Path

import numpy as np
import torch
from inference import MEMBERS, SCHEME, Clock
from whole_case import VOLUMES

from musclefm.inference.device import choose_runtime

SPACING_MM = (5.0, 1.5, 1.5)
CASES = 50
DATASET = "Dataset001_Thighs"
LABELS = {"background": 0} | {label.name: label.id for label in SCHEME.labels}


def configuration(folder: Path, shape: tuple[int, ...]) -> dict:
    """Return what nnU-Net's planner makes of cases of a shape."""
    files = {
        "raw": {
            "channel_names": {"0": "fat", "1": "water"},
            "labels": LABELS,
            "file_ending": ".nii.gz",
            "dataset": {"case": {"images": ["none"], "label": "none"}},
        },
        "preprocessed": {"median_relative_size_after_cropping": 1.0},
    }
    for name, file in (("raw", "dataset"), ("preprocessed", "dataset_fingerprint")):
        (folder / name / DATASET).mkdir(parents=True)
        (folder / name / DATASET / f"{file}.json").write_text(json.dumps(files[name]))
    for name in ("raw", "preprocessed", "results"):
        os.environ[f"nnUNet_{name}"] = str(folder / name)
    # It reads these folders where it is imported.
    from nnunetv2.experiment_planning.experiment_planners.default_experiment_planner import (
        ExperimentPlanner,
    )

    planner = ExperimentPlanner(DATASET)
    voxels = float(np.prod(shape)) * CASES
    return planner.get_plans_for_configuration(
        np.array(SPACING_MM), np.array(shape), "made", voxels, {}
    )


def main() -> None:
    """Print how long a patch takes, and whole volumes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--bf16", action="store_true", help="as musclefm runs imported folds")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        made = configuration(Path(name), VOLUMES[0])
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
    from nnunetv2.inference.sliding_window_prediction import compute_steps_for_sliding_window
    from nnunetv2.utilities.get_network_from_plans import get_network_from_plans
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    own = made["architecture"]
    network = get_network_from_plans(
        own["network_class_name"], own["arch_kwargs"], own["_kw_requires_import"], 2,
        SCHEME.class_count, deep_supervision=False,
    ).eval()  # fmt: skip
    plans = PlansManager({"configurations": {"made": made}, "label_manager": "LabelManager"})
    predictor = nnUNetPredictor(use_mirroring=False, device=torch.device("cpu"), allow_tqdm=False)
    predictor.manual_initialization(
        network, plans, plans.get_configuration("made"), None, {"labels": LABELS},
        "nnUNetTrainer", None,
    )  # fmt: skip
    patch = tuple(made["patch_size"])
    seen = torch.randn(2, *patch)
    clock = Clock(choose_runtime("cpu"), False, arguments.repeats)
    with torch.autocast("cpu", torch.bfloat16, enabled=arguments.bf16):
        seconds = clock.seconds(lambda: predictor.predict_sliding_window_return_logits(seen))
    print(f"a patch of {' x '.join(map(str, patch))}: {seconds:.1f} s\n")
    print("| volume | patches | seconds, 5 folds |\n|---|---|---|")
    for shape in VOLUMES:
        sizes = [max(*pair) for pair in zip(shape, patch, strict=True)]
        count = math.prod(map(len, compute_steps_for_sliding_window(sizes, patch, 0.5)))
        print(
            f"| {' x '.join(map(str, shape[::-1]))} | {count} | {count * MEMBERS * seconds:.0f} |"
        )


if __name__ == "__main__":
    main()
