"""The cases of a benchmark, split by subject: to learn from, to validate on, to test on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from musclefm.benchmark.plan import BenchmarkPlan
from musclefm.benchmark.study import Fold, Study
from musclefm.errors import MuscleFMError
from musclefm.inference.device import Runtime
from musclefm.labels.scheme import load_scheme
from musclefm.training.data.dataset import DATA_LIST_FILE, UnreadCase, unread_cases
from musclefm.training.data.split import held_out_subjects, split_subjects

_TEST = "test"


def open_study(plan: BenchmarkPlan, data: Path, runtime: Runtime) -> Study:
    """Split the cases of a data list as a plan says; the same plan splits the same way.

    Parameters
    ----------
    plan : BenchmarkPlan
        What is compared.
    data : Path
        The data list, or its folder.
    runtime : Runtime
        Where all systems run.

    Raises
    ------
    MuscleFMError
        The list cannot be read, or has too few subjects.
    """
    scheme = load_scheme(plan.scheme)
    cases = unread_cases(data / DATA_LIST_FILE if data.is_dir() else data, scheme)
    test = _test_subjects(cases, plan.test)
    rest = {case.subject for case in cases} - test
    if not test or not rest:
        raise MuscleFMError(
            f"the data list has {len(rest)} subjects to learn from and {len(test)} to test on",
            "give one with cases of more subjects",
        )
    split = split_subjects(rest, 0.0, plan.validation, plan.folds, plan.seed)
    if len(split.folds) < plan.folds:
        raise MuscleFMError(
            f"{plan.folds} folds are asked for, and {len(rest)} subjects are left to learn from",
            f"ask for at most {len(split.folds)} folds, or test on fewer subjects",
        )

    def of(subjects: frozenset[str]) -> tuple[UnreadCase, ...]:
        return tuple(case for case in cases if case.subject in subjects)

    folds = tuple(
        Fold(of(split.trained_on(number)), of(split.fold(number))) for number in range(plan.folds)
    )
    return Study(plan, scheme, folds, of(split.validation), of(test), runtime)


def _test_subjects(cases: Sequence[UnreadCase], share: float) -> frozenset[str]:
    """Return who is tested on: as the list says, else a share of each severity."""
    if listed := frozenset(case.subject for case in cases if case.split == _TEST):
        return listed
    severity = {case.subject: case.severity or "" for case in cases}
    return frozenset().union(
        *(
            held_out_subjects((name for name, value in severity.items() if value == group), share)
            for group in sorted(set(severity.values()))
        )
    )
