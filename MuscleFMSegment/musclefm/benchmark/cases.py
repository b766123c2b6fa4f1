"""The cases of a benchmark, split by subject: to learn from, to validate on, to test on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from musclefm.benchmark.plan import BenchmarkPlan, Renderings
from musclefm.benchmark.study import Fold, Study
from musclefm.errors import MuscleFMError
from musclefm.exchange.datalist import DATA_LIST_FILE, TEST
from musclefm.inference.device import Runtime
from musclefm.labels.scheme import load_scheme
from musclefm.progress import Progress
from musclefm.storage.work_folder import claim_work_folder
from musclefm.training.data.dataset import UnreadCase, unread_cases
from musclefm.training.data.split import held_out_subjects, split_subjects

_CASES_FOLDER = "cases"


def data_of(plan: BenchmarkPlan, out: Path, progress: Progress) -> Path:
    """Return the data list of a plan; renderings are made in the benchmark's folder first.

    Parameters
    ----------
    plan : BenchmarkPlan
        As :func:`musclefm.benchmark.plan.read_plan` reads it.
    out : Path
        The benchmark's folder.
    progress : Progress
        Called for each case that is rendered.

    Raises
    ------
    MuscleFMError
        The folder holds something else, or there is no data list.
    """
    if isinstance(plan.data, Renderings):
        # Imported late: few plans render.
        from musclefm.demo.cohort import CohortRecipe, render_cohort

        claim_work_folder(out)
        given = plan.data
        recipe = CohortRecipe(given.seed, given.slices, given.pixel_mm)
        render_cohort(recipe, given.renderings, out / _CASES_FOLDER, progress)
        return out / _CASES_FOLDER / DATA_LIST_FILE
    path = Path(plan.data)
    path = path / DATA_LIST_FILE if path.is_dir() else path
    if not path.is_file():
        raise MuscleFMError(
            "there is no data list where the plan says", f'give a {DATA_LIST_FILE} as its "data"'
        )
    return path


def open_study(plan: BenchmarkPlan, data: Path, runtime: Runtime) -> Study:
    """Split the cases of a data list as a plan says; the same plan splits the same way.

    Parameters
    ----------
    plan : BenchmarkPlan
        What is compared.
    data : Path
        The data list.
    runtime : Runtime
        Where all systems run.

    Raises
    ------
    MuscleFMError
        The list cannot be read, or has too few subjects.
    """
    scheme = load_scheme(plan.scheme)
    cases = unread_cases(data, scheme)
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
    if listed := frozenset(case.subject for case in cases if case.split == TEST):
        return listed
    severity = {case.subject: case.severity or "" for case in cases}
    return frozenset().union(
        *(
            held_out_subjects((name for name, value in severity.items() if value == group), share)
            for group in sorted(set(severity.values()))
        )
    )
