"""A segmented case, fresh or read back from its results folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from musclefm.labels.scheme import LabelScheme
from musclefm.progress import ProgressEvent, watched
from musclefm.results.case import CaseResults, read_results, write_results
from musclefm.review.findings import FlaggedRegion, MuscleSummary
from musclefm.uncertainty.maps import ClassProbabilities
from musclefm.volumes.grid import Grid


class Case:
    """What was found in a scan; :func:`segment` and :func:`open_results` return it.

    All arrays are ``(K, J, I)`` on :attr:`grid`, which is that of the input.

    Parameters
    ----------
    results : CaseResults
        What a results folder holds.

    Examples
    --------
    >>> import musclefm
    >>> case = musclefm.open_results("results")
    >>> case
    <Case: 208 x 104 x 26 voxels, 22 muscles of 'thigh-11', ... regions to check>
    >>> case.labels.shape == case.uncertainty.shape == case.grid.shape
    True
    >>> region = case.regions[0]
    >>> bool((case.region_labels == region.id).sum() == region.voxels)
    True
    >>> case.save("copy")
    >>> again = musclefm.open_results("copy")
    >>> bool((again.labels == case.labels).all())
    True
    """

    def __init__(self, results: CaseResults) -> None:
        self._results = results

    def __repr__(self) -> str:
        size = " x ".join(map(str, reversed(self.grid.shape)))
        return (
            f"<Case: {size} voxels, {len(self._results.muscles)} muscles of"
            f" '{self.scheme.name}', {len(self.regions)} regions to check>"
        )

    @property
    def grid(self) -> Grid:
        """Where the voxels lie: shape, spacing in mm, and ``ijk_to_ras``, 4 x 4."""
        return self._results.grid

    @property
    def scheme(self) -> LabelScheme:
        """What the labels mean."""
        return self._results.scheme

    @cached_property
    def labels(self) -> npt.NDArray[np.uint8]:
        """``(K, J, I) uint8``: ids of :attr:`scheme`, both sides alike; 0 is background."""
        return self._results.labels

    @property
    def sided_labels(self) -> npt.NDArray[np.uint8]:
        """``(K, J, I) uint8``: the patient's right has the scheme's ids, the left goes on."""
        return self._results.sided_labels

    @property
    def uncertainty(self) -> npt.NDArray[np.float32]:
        """``(K, J, I) float32``: predictive entropy / ln(classes), in [0, 1]."""
        return self._results.uncertainty["total"]

    @property
    def aleatoric(self) -> npt.NDArray[np.float32]:
        """``(K, J, I) float32``: mean entropy of the members / ln(classes), in [0, 1]."""
        return self._results.uncertainty["aleatoric"]

    @property
    def epistemic(self) -> npt.NDArray[np.float32]:
        """``(K, J, I) float32``: mutual information / ln(classes), in [0, 1]."""
        return self._results.uncertainty["epistemic"]

    @property
    def variance(self) -> npt.NDArray[np.float32] | None:
        """``(K, J, I) float32``: variance over members, averaged over classes; or None."""
        return self._results.variance

    @cached_property
    def probabilities(self) -> ClassProbabilities | None:
        """Of all classes, ``.mean`` being ``(C, K, J, I)``; None where they were not kept."""
        return self._results.probabilities() if self._results.probabilities else None

    @property
    def fat_fraction(self) -> npt.NDArray[np.float32] | None:
        """``(K, J, I) float32`` in [0, 1], NaN in air; None without fat and water."""
        return self._results.fat_fraction

    @property
    def region_labels(self) -> npt.NDArray[np.uint16]:
        """``(K, J, I) uint16``: ids of :attr:`regions`, 0 for none."""
        return self._results.region_labels

    @property
    def regions(self) -> tuple[FlaggedRegion, ...]:
        """What to check, the region of most expected wrong voxels first."""
        return self._results.regions

    @property
    def muscles(self) -> Any:
        """Volume (mL), fat fraction, uncertainty and expected Dice by muscle and side.

        A pandas ``DataFrame`` where pandas is installed, else a list of dicts; the
        columns are the attributes of ``review.findings.MuscleSummary``.
        """
        return table([asdict(muscle) for muscle in self.muscle_summaries])

    @property
    def muscle_summaries(self) -> tuple[MuscleSummary, ...]:
        """The same as :attr:`muscles`, an object a muscle and side."""
        return self._results.muscles

    @property
    def notes(self) -> tuple[str, ...]:
        """What the reader should know, a line each; folders of earlier versions hold none."""
        return self._results.notes

    @property
    def provenance(self) -> Mapping[str, Any]:
        """Versions, hashes and parameters that made the case."""
        return self._results.provenance

    def save(
        self,
        out: str | os.PathLike[str],
        *,
        progress: Callable[[ProgressEvent], object] | None = None,
        cancel: Callable[[], bool] | None = None,
    ) -> None:
        """Write all results into a folder, all of them or none.

        Parameters
        ----------
        out : path
            New or empty, or holds results of this library, which are replaced.
        progress : callable, optional
            Takes each :class:`ProgressEvent`.
        cancel : callable, optional
            Asked at each event; once it returns True, nothing is written.

        Raises
        ------
        MuscleFMError
            The folder holds something else or a review, or cannot be written.
        WorkCancelledError
            It was cancelled.
        """
        write_results(self._results, Path(out), watched(progress, cancel))


def open_results(folder: str | os.PathLike[str]) -> Case:
    """Open a results folder.

    Parameters
    ----------
    folder : path
        As :meth:`Case.save` and ``musclefm segment`` write it.

    Returns
    -------
    Case
        The case as it was saved; corrections of a review are not in it.

    Raises
    ------
    MuscleFMError
        A file is missing, damaged, or not as it was written.

    Examples
    --------
    >>> import musclefm
    >>> case = musclefm.open_results("results")
    >>> case.provenance["model"]["name"]
    'thigh-demo'
    """
    return Case(read_results(Path(folder)))


def table(rows: Sequence[Mapping[str, object]]) -> Any:
    """Return rows as a pandas ``DataFrame`` where pandas is installed, else as they are."""
    if find_spec("pandas") is None:
        return list(rows)
    import pandas

    return pandas.DataFrame(rows)
