"""Every example of the API's documentation runs and says what it says."""

import doctest
import importlib
import inspect

import musclefm

# In this order: what the first one writes is opened by those that follow.
MODULES = (
    "segmentation", "case", "resources", "evaluation.evaluation", "evaluation.cohort_evaluation",
    "evaluation.cohorts", "training", "exports", "corrections", "worklists", "datasets",
)  # fmt: skip
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def test_every_function_and_class_of_the_api_has_an_example() -> None:
    functions = [getattr(musclefm, name) for name in musclefm.__all__]
    ours = [value for value in functions if value.__module__.startswith("musclefm.api")]
    without = {value.__name__ for value in ours if ">>> " not in inspect.getdoc(value)}
    # They are returned by functions that show them.
    assert without == {"Cohort", "Evaluation", "ModelEvaluation", "Sample"}


def test_the_examples_are_true(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MUSCLEFM_HOME", str(tmp_path / "home"))
    # The examples show the user's line of an error, not the frames that led to it.
    for name in MODULES:
        module = importlib.import_module(f"musclefm.api.{name}")
        failed, tried = doctest.testmod(module, optionflags=FLAGS)
        assert tried and not failed, f"examples of {module.__name__}"
