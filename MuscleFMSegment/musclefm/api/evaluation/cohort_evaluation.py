"""How good segmentations of a cohort are against their references."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from musclefm.api.evaluation.case_pairs import case_pair, read_segmentation
from musclefm.api.evaluation.evaluation import muscle_ids
from musclefm.api.evaluation.fat_images import with_fat_and_water, with_fat_fraction
from musclefm.api.evaluation.matching import (
    MatchedCase,
    data_list_at,
    match_cases,
    read_groups,
)
from musclefm.defaults import DEFAULT_SCHEME
from musclefm.errors import MuscleFMError
from musclefm.evaluation.cohort.case_evaluation import evaluate_case
from musclefm.evaluation.cohort.severity import DEFAULT_LIMITS, severity_of
from musclefm.evaluation.cohort.summary import (
    CohortEvaluation,
    EvaluatedCase,
    PairedScore,
    paired_scores,
    summarise_cohort,
)
from musclefm.labels.scheme import LabelScheme, load_scheme
from musclefm.progress import Progress, ProgressEvent, watched
from musclefm.results.case import read_regions
from musclefm.results.reading import holds_results
from musclefm.storage.atomic import check_folder

if TYPE_CHECKING:
    from musclefm.exchange.datalist import DataList
    from musclefm.labels.mapping import LabelMapping

Paths = str | os.PathLike[str]


@dataclass(frozen=True)
class Cohort:
    """What was measured of a cohort.

    Attributes
    ----------
    evaluation : CohortEvaluation
        By case and by group, the group ``"all"`` first.
    paired : tuple of PairedScore
        Against the other segmentations, subject by subject; empty without any.
    notes : tuple of str
        What to know of it, a line each.
    """

    evaluation: CohortEvaluation
    paired: tuple[PairedScore, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def mean_dice(self) -> float:
        """Mean over muscles, then over subjects."""
        return self.evaluation.groups[0].scores["mean_dice"].mean

    @property
    def pooled_dice(self) -> float:
        """Of all muscles' voxels of a case together, mean over subjects."""
        return self.evaluation.groups[0].scores["pooled_dice"].mean


def evaluate_cohort(
    segmentations: Paths,
    references: Paths,
    *,
    against: Paths | None = None,
    scheme: str | None = None,
    reference_scheme: str | None = None,
    mapping: Paths | None = None,
    annotated: Collection[str] | None = None,
    merged: Sequence[Collection[str]] = (),
    groups: Paths | None = None,
    water: Paths | None = None,
    fat: Paths | None = None,
    limits: tuple[float, float] = DEFAULT_LIMITS,
    seed: int = 0,
    out: Paths | None = None,
    progress: Callable[[ProgressEvent], object] | None = None,
    cancel: Callable[[], bool] | None = None,
) -> Cohort:
    """Hold segmentations against reference labels: per patient first, then by group.

    What counts is as in :func:`evaluate`; a muscle that any reference of the cohort shows
    was annotated in all of them.

    Parameters
    ----------
    segmentations : path
        A results folder, a file of labels, or a folder of these named after the cases.
        Beside a file of labels, ``NAME.npz`` may hold its probabilities, as nnU-Net
        writes it.
    references : path
        A file of labels, a folder of files with the same names, or a ``datalist.json``,
        which also says whose each case is.
    against : path, optional
        Other segmentations of the same cases, to compare with: as ``segmentations``.
    scheme : str, optional
        Of label files; results say their own. By default ``"thigh-11"``.
    reference_scheme : str, optional
        That the references were made with; by default the segmentations'.
    mapping : path, optional
        A mapping file for the values of the references, or ``"musclemap"`` or
        ``"totalsegmentator"``.
    annotated, merged
        As of :func:`evaluate`.
    groups : path, optional
        CSV with the columns ``case`` or ``subject``, and ``group`` or ``severity``; by
        default the severity is what a data list says, or follows from the fat fraction,
        where fat and water are known.
    water, fat : path, optional
        Images of a single case, or folders of images named after the cases: for the fat
        fraction of label files. Results know theirs, and a data list names its images.
    limits : tuple of float
        Fat fractions from which on a thigh or a muscle is moderate, and severe.
    seed : int
        Of the bootstrap over subjects.
    out : path, optional
        New or empty folder for the tables, ``evaluation.json`` and ``evaluation.html``.
        They name cases as their files are named.
    progress, cancel
        As of :func:`segment`.

    Returns
    -------
    Cohort
        Scores by case and by group, with intervals.

    Raises
    ------
    MuscleFMError
        Nothing matches, or a case cannot be evaluated: its number, in order of name,
        stands before the cause.
    WorkCancelledError
        It was cancelled.

    Examples
    --------
    >>> import musclefm
    >>> from musclefm.volumes.writing import write_volume
    >>> from pathlib import Path
    >>> write_volume(musclefm.load_sample().labels, Path("reference.nii.gz"))
    >>> found = musclefm.evaluate_cohort("results", "reference.nii.gz")
    >>> 0.7 < found.mean_dice < 1
    True
    >>> found.evaluation.groups[0].scores["auroc_total"].mean > 0.5
    True
    """
    report = watched(progress, cancel)
    # Bad limits are refused before work is spent.
    severity_of(None, limits)
    if seed < 0:
        raise MuscleFMError("the seed is negative", "use 0 or more")
    if out is not None:
        check_folder(Path(out))
    given = read_groups(Path(groups)) if groups is not None else {}
    cases, notes = match_cases(Path(segmentations), Path(references), given)
    if given and set(given.values()).isdisjoint(case.group for case in cases):
        raise MuscleFMError(
            "the table of groups names none of the cases",
            "write into it the names of the references' files, without the ending, or of subjects",
        )
    images = [None if path is None else Path(path) for path in (water, fat)]
    cases = with_fat_and_water(cases, *images)
    others: tuple[MatchedCase, ...] = ()
    if against is not None:
        others, _ = match_cases(Path(against), Path(references), given)
        others = with_fat_and_water(others, *images)
    listed = data_list_at(Path(references))
    rules = _rules(
        [*cases, *others], scheme, reference_scheme, mapping, annotated, merged, listed, report
    )
    total = len(cases) + len(others)
    summaries = []
    for chosen, done in ((cases, 0), (others, len(cases))):
        evaluated = []
        for number, case in enumerate(chosen):
            report(ProgressEvent("evaluate", done + number, total, "cases"))
            with _numbered(number, chosen):
                evaluated.append(_evaluated(case, rules, seed))
        if evaluated:
            summaries.append(summarise_cohort(evaluated, limits=limits, seed=seed))
    report(ProgressEvent("evaluate", total, total, "done"))
    first, *other = summaries
    paired = paired_scores(other[0], first, seed) if other else ()
    if out is not None:
        # Imported late: the template engine is needed for nothing else.
        from musclefm.results.evaluation.files import write_evaluation

        write_evaluation(Path(out), first, paired, notes)
    return Cohort(first, paired, notes)


@dataclass(frozen=True)
class _Rules:
    """How the cases of one run are read and judged, all in the same way."""

    scheme: LabelScheme
    source: LabelScheme | None
    mapping: LabelMapping | None
    annotated: frozenset[int]
    merged: tuple[frozenset[int], ...]


def _rules(
    cases: Sequence[MatchedCase],
    scheme: str | None,
    reference_scheme: str | None,
    mapping: Paths | None,
    annotated: Collection[str] | None,
    merged: Sequence[Collection[str]],
    listed: DataList | None,
    report: Progress,
) -> _Rules:
    # Imported late: they know DICOM.
    from musclefm.exchange.read_labels import shown_muscles
    from musclefm.labels.mapping import merged_muscles, read_mapping

    first = cases[0].segmentation
    if holds_results(first):
        scheme = read_regions(first).label_scheme
    known = load_scheme(scheme or DEFAULT_SCHEME)
    source = load_scheme(reference_scheme) if reference_scheme else None
    meanings = None if mapping is None else read_mapping(Path(mapping), known)
    shown: set[int] = set()
    is_given = annotated is not None
    if annotated is not None:
        shown = muscle_ids(annotated, known)
    elif listed and listed.annotated is not None:
        shown, is_given = set(listed.annotated_muscles(known)), True
    read = list({case.reference: case for case in cases}.values())
    for number, case in enumerate(() if is_given else read):
        report(ProgressEvent("read", number, len(read), "references"))
        with _numbered(number, read):
            shown |= shown_muscles(
                case.reference, known, source=source, mapping=meanings, what="the reference"
            )
    groups = tuple(frozenset(muscle_ids(group, known)) for group in merged)
    if any(len(group) < 2 for group in groups):
        raise MuscleFMError(
            "muscles are merged of which only one is named", "name two or more, e.g. BFL+BFS"
        )
    groups += merged_muscles(meanings) + (listed.merged_muscles(known) if listed else ())
    return _Rules(known, source, meanings, frozenset(shown), groups)


def _evaluated(case: MatchedCase, rules: _Rules, seed: int) -> EvaluatedCase:
    segmentation = read_segmentation(case.segmentation, rules.scheme)
    pair, notes = case_pair(
        segmentation,
        case.reference,
        probabilities=case.probabilities,
        reference_scheme=rules.source,
        mapping=rules.mapping,
    )
    pair = with_fat_fraction(pair, case.images, segmentation.grid)
    found = evaluate_case(pair, annotated=rules.annotated, merged=rules.merged, seed=seed)
    return EvaluatedCase(case.name, case.subject, found, case.group, notes)


@contextlib.contextmanager
def _numbered(number: int, cases: Sequence[MatchedCase]) -> Iterator[None]:
    """Say of which case an error is: by number, as its name may name the patient."""
    try:
        yield
    except MuscleFMError as error:
        if len(cases) == 1:
            raise
        where = f"case {number + 1} of {len(cases)} in order of name"
        raise MuscleFMError(f"{where}: {error.cause}", error.remedy) from error
