"""nnU-Net 2D and 3D trained by its own trainer, and their folds held against its own predictor.

Needs the whole of nnU-Net: ``pip install 'musclefm[nnunet]'``. Renders a small cohort, runs
``nnunet-2d`` and ``nnunet-3d`` as systems of a benchmark, and compares the probabilities of the
imported folds with those that nnU-Net gives by itself from its results folder::

    python Testing/benchmarks/nnunet.py FOLDER [--steps 20] [--persons 9]

What is finished in the folder is not done again.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch

from musclefm.benchmark.cases import open_study
from musclefm.benchmark.nnunet_system import NnUNetSystem
from musclefm.benchmark.plan import BenchmarkPlan
from musclefm.benchmark.run import run_benchmark
from musclefm.benchmark.systems import open_system
from musclefm.demo.cohort import CohortRecipe, render_cohort
from musclefm.evaluation.labelled_case import LabelledCase
from musclefm.inference.device import choose_runtime
from musclefm.progress import ProgressEvent, silent


def by_nnunet(results: Path, case: LabelledCase, device: torch.device) -> np.ndarray:
    """Return the probabilities of a fold as nnU-Net computes them, ``(C, K, J, I)``."""
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    predictor = nnUNetPredictor(use_mirroring=False, device=device, allow_tqdm=False)
    predictor.initialize_from_trained_model_folder(str(results), None)
    spacing = {"spacing": list(case.channels.grid.spacing[::-1])}
    image = case.channels.provide(("image",))
    return predictor.predict_single_npy_array(image, spacing, None, None, True)[1]


def main() -> None:
    """Run all of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--persons", type=int, default=9)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    data = arguments.folder / "cohort"
    recipe = CohortRecipe(slices=10, pixel_mm=3.0, t1=True)
    if not (data / "datalist.json").is_file():
        render_cohort(recipe, arguments.persons, data, silent)
    plan = BenchmarkPlan.model_validate(
        {
            "data": str(data),
            "systems": [{"system": "nnunet-2d", "batch": 4}, {"system": "nnunet-3d", "batch": 2}],
            "folds": 2,
            "budget": {"steps": arguments.steps},
        }
    )
    runtime = choose_runtime(arguments.device, "fp32")
    out, seen = arguments.folder / "benchmark", [""]

    def progress(event: ProgressEvent) -> None:
        line = f"{event.stage} {event.message}"
        if line != seen[-1]:
            seen.append(line)
            print(f"{time.strftime('%X')} {line}", flush=True)

    run_benchmark(plan, out, runtime, progress)
    study = open_study(plan, data, runtime)
    case = study.test[0].read()
    for entry in plan.systems:
        folder = out / "systems" / entry.key
        system = open_system(study, entry, folder)
        assert isinstance(system, NnUNetSystem)
        for fold, ours in enumerate(system.predict(case)):
            (results,) = (folder / f"results-{fold}").glob("*/*/plans.json")
            apart = np.abs(ours - by_nnunet(results.parent, case, runtime.device))
            print(f"{system.title}, fold {fold}: {apart.max():.2g} apart, mean {apart.mean():.2g}")


if __name__ == "__main__":
    main()
