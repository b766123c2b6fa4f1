"""MuscleFM: SAM ensembles segment thigh muscles on MR and say where they are uncertain.

The Python API. What the command line does, these functions do::

    import musclefm

    case = musclefm.segment("scan.nii.gz")
    case.muscles
    case.save("results")

Each is imported when it is first used: ``import musclefm`` loads neither NumPy nor torch.
The library knows neither 3D Slicer nor Qt. Research use only.
"""

import logging
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from musclefm.api.benchmarks import run_benchmark
    from musclefm.api.case import Case, open_results
    from musclefm.api.corrections import add_correction, export_corrections, open_corrections
    from musclefm.api.datasets import download_dataset, list_datasets, prepare_dataset
    from musclefm.api.evaluation.cohort_evaluation import Cohort, evaluate_cohort
    from musclefm.api.evaluation.cohorts import ModelEvaluation, compare, evaluate_model
    from musclefm.api.evaluation.evaluation import Evaluation, evaluate
    from musclefm.api.exports import export_results
    from musclefm.api.resources import (
        Sample,
        export_model,
        install_model,
        list_models,
        load_model,
        load_sample,
    )
    from musclefm.api.segmentation import segment
    from musclefm.api.training import learn, train
    from musclefm.api.worklists import open_worklist, segment_worklist
    from musclefm.errors import MuscleFMError, MuscleFMWarning
    from musclefm.progress import ProgressEvent, WorkCancelledError
    from musclefm.volumes.volume import Volume

__version__ = "0.1.0"

__all__ = [
    "Case",
    "Cohort",
    "Evaluation",
    "ModelEvaluation",
    "MuscleFMError",
    "MuscleFMWarning",
    "ProgressEvent",
    "Sample",
    "Volume",
    "WorkCancelledError",
    "add_correction",
    "compare",
    "download_dataset",
    "evaluate",
    "evaluate_cohort",
    "evaluate_model",
    "export_corrections",
    "export_model",
    "export_results",
    "install_model",
    "learn",
    "list_datasets",
    "list_models",
    "load_model",
    "load_sample",
    "open_corrections",
    "open_results",
    "open_worklist",
    "prepare_dataset",
    "run_benchmark",
    "segment",
    "segment_worklist",
    "train",
]

_MODULES = {
    "Case": "api.case",
    "Cohort": "api.evaluation.cohort_evaluation",
    "Evaluation": "api.evaluation.evaluation",
    "ModelEvaluation": "api.evaluation.cohorts",
    "MuscleFMError": "errors",
    "MuscleFMWarning": "errors",
    "ProgressEvent": "progress",
    "Sample": "api.resources",
    "Volume": "volumes.volume",
    "WorkCancelledError": "progress",
    "add_correction": "api.corrections",
    "compare": "api.evaluation.cohorts",
    "download_dataset": "api.datasets",
    "evaluate": "api.evaluation.evaluation",
    "evaluate_cohort": "api.evaluation.cohort_evaluation",
    "evaluate_model": "api.evaluation.cohorts",
    "export_corrections": "api.corrections",
    "export_model": "api.resources",
    "export_results": "api.exports",
    "install_model": "api.resources",
    "learn": "api.training",
    "list_datasets": "api.datasets",
    "list_models": "api.resources",
    "load_model": "api.resources",
    "load_sample": "api.resources",
    "open_corrections": "api.corrections",
    "open_results": "api.case",
    "open_worklist": "api.worklists",
    "prepare_dataset": "api.datasets",
    "run_benchmark": "api.benchmarks",
    "segment": "api.segmentation",
    "segment_worklist": "api.worklists",
    "train": "api.training",
}

# Without it, warnings appear on standard error of a program that configures no logging.
logging.getLogger(__name__).addHandler(logging.NullHandler())


if not TYPE_CHECKING:
    # Type checkers know the names from above; this would make them take any other for one.
    def __getattr__(name: str) -> Any:
        if name not in _MODULES:
            raise AttributeError(f"module 'musclefm' has no attribute '{name}'")
        value = getattr(import_module(f"musclefm.{_MODULES[name]}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
