"""A second opinion on a case under review: read, shown, kept, and taken away again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from musclefm.evaluation.second_opinion import SecondOpinion, read_second_opinion
from musclefm.exchange.external_labels import ExternalLabels
from musclefm.results.case import CaseResults, read_results
from musclefm.results.disagreement import with_second_opinion
from musclefm.review.regions import Regions
from musclefm.review.session import ReviewSession, StoredOpinion
from musclefm.review.session_file import load_second_opinion, save_second_opinion


@dataclass(frozen=True)
class FlaggedAnew:
    """The flagged regions of a case, with a second opinion's or without.

    Attributes
    ----------
    regions : Regions
        All of them.
    known : int
        How many of them the results have; ids up to this one stay what they were.
    opinion : SecondOpinion or None
        The second opinion.
    stored : StoredOpinion or None
        How it lies beside the session.
    """

    regions: Regions
    known: int
    opinion: SecondOpinion | None = None
    stored: StoredOpinion | None = None


def flagWithOpinion(
    results: Path, source: Path | ExternalLabels, mapping: Path | None
) -> FlaggedAnew:
    """Read a second opinion, keep it in the folder of the results, and find where it disagrees.

    Raises
    ------
    MuscleFMError
        It cannot be read, or the folder cannot be written.
    """
    found = read_results(results)
    opinion = read_second_opinion(source, found.scheme, found.grid, mapping)
    regions = with_second_opinion(found, opinion)
    return FlaggedAnew(regions, len(found.regions), opinion, save_second_opinion(results, opinion))


def flagWithoutOpinion(results: Path) -> FlaggedAnew:
    """Return the flagged regions as the results have them."""
    found = read_results(results)
    regions = Regions(found.document.rule, found.regions, found.region_labels)
    return FlaggedAnew(regions, len(found.regions))


def restoreOpinion(
    results: CaseResults, folder: Path, session: ReviewSession
) -> tuple[CaseResults, SecondOpinion | None]:
    """Return results with the regions of the second opinion that a saved review names.

    Raises
    ------
    MuscleFMError
        It is missing or damaged.
    """
    if session.second_opinion is None:
        return results, None
    opinion = load_second_opinion(folder, session.second_opinion)
    regions = with_second_opinion(results, opinion)
    document = results.document.model_copy(update={"regions": regions.queue})
    return replace(results, region_labels=regions.labelmap, document=document), opinion
