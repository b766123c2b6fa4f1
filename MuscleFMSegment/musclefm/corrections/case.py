"""A corrected case: what a reader made of a segmentation, and what of it is known to be right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from musclefm.corrections.review_log import ReviewLog
from musclefm.errors import MuscleFMError
from musclefm.labels.scheme import load_scheme
from musclefm.labels.sided import IGNORE, check_sided_labels
from musclefm.review.muscle_slices import MuscleSlices, unseen_voxels
from musclefm.volumes.channels import CHANNEL_NAMES
from musclefm.volumes.grid import Grid
from musclefm.volumes.volume import Volume


@dataclass(frozen=True)
class Reviewed:
    """Where the reader says that the labels are right.

    Attributes
    ----------
    kind : str
        ``"all"`` of the volume, ``"slices"`` or ``"muscles"``.
    slices : tuple of int
        For ``"slices"``: indices along ``slice_axis``, from 0.
    slice_axis : int
        0 for i, 1 for j, 2 for k.
    muscles : tuple of int
        For ``"muscles"``: sided values, see :meth:`LabelScheme.labels_of_sides`.
    unseen : tuple of MuscleSlices
        Where nobody has looked yet, e.g. slices that a correction was carried to: these
        are not known to be right, whatever else is.
    """

    kind: Literal["all", "slices", "muscles"]
    slices: tuple[int, ...] = ()
    slice_axis: Literal[0, 1, 2] = 2
    muscles: tuple[int, ...] = ()
    unseen: tuple[MuscleSlices, ...] = ()

    def mask(
        self, labels: npt.NDArray[np.uint8], model_labels: npt.NDArray[np.uint8] | None
    ) -> npt.NDArray[np.bool_]:
        """Return which voxels were reviewed.

        Of a reviewed muscle these are its voxels, and those that the reader took
        from what the model had called so. What else lies around it was not looked
        at: another muscle may be missing there. Of a slice with an unseen muscle, neither
        that muscle nor what no muscle has was reviewed.

        Parameters
        ----------
        labels, model_labels : ndarray
            ``(K, J, I) uint8``: sided values, corrected and before that, if known.

        Returns
        -------
        ndarray
            ``(K, J, I) bool``.
        """
        mask = np.full(labels.shape, self.kind == "all")
        if self.kind == "slices":
            np.moveaxis(mask, 2 - self.slice_axis, 0)[list(self.slices)] = True
        elif self.kind == "muscles":
            mask = np.isin(labels, self.muscles)
            if model_labels is not None:
                mask |= np.isin(model_labels, self.muscles)
        return mask & ~unseen_voxels(self.unseen, labels, model_labels)


@dataclass(frozen=True)
class CorrectedCase:
    """A case and its corrected labels, all on one grid.

    Attributes
    ----------
    channels : mapping of str to Volume
        ``(K, J, I) float32`` each, by names of ``volumes.channels.CHANNEL_NAMES``.
    labels : Volume
        ``(K, J, I) uint8``: corrected, sided values, see
        :meth:`LabelScheme.labels_of_sides`; 0 background, 255 unknown.
    reviewed : Reviewed
        Where they are right.
    scheme : str
        Name of the label scheme.
    model_labels : Volume or None
        ``(K, J, I) uint8``: sided values as the model gave them.
    uncertainty : Volume or None
        ``(K, J, I) float32`` in [0, 1]: the model's total uncertainty.
    review : ReviewLog or None
        What was done with the flagged regions.
    provenance : mapping
        As in ``provenance.json``. What names the model, its versions and parameters
        is stored; all else is left out, see :func:`identity.without_identity`.
    case_key : str
        The same for all versions of a case. The store fills it in, with a salted hash
        of the voxels, when the case is added.
    subject_key : str or None
        The same for all cases of a person, where the store knows it.
    parent : str or None
        Id of the sample that this one corrects. The store fills in the newest one of
        the same case.

    Raises
    ------
    MuscleFMError
        The scheme is unknown; labels or maps lie on another grid than the image; there
        are labels, slices or muscles that are not there.
    ValueError
        Voxels are of another type, or a channel has another name: a programming error.
    """

    channels: Mapping[str, Volume]
    labels: Volume
    reviewed: Reviewed
    scheme: str
    model_labels: Volume | None = None
    uncertainty: Volume | None = None
    review: ReviewLog | None = None
    provenance: Mapping[str, object] = field(default_factory=dict)
    case_key: str = ""
    subject_key: str | None = None
    parent: str | None = None

    def __post_init__(self) -> None:
        if not self.channels or not set(self.channels) <= set(CHANNEL_NAMES):
            raise ValueError(f"channels {list(self.channels)} are not among {CHANNEL_NAMES}")
        images = {f"the {name} image": volume for name, volume in self.channels.items()}
        if self.uncertainty is not None:
            images["the uncertainty"] = self.uncertainty
        labelmaps = {"the labels": self.labels}
        if self.model_labels is not None:
            labelmaps["the model's labels"] = self.model_labels
        for volumes, kind in ((images, np.float32), (labelmaps, np.uint8)):
            for what, volume in volumes.items():
                if volume.array.dtype != kind:
                    raise ValueError(f"{what}: {volume.array.dtype} in place of {kind.__name__}")
                if not volume.grid.matches(self.grid):
                    raise MuscleFMError(
                        f"{what} and the image lie on different grids",
                        "give those of the same scan, or resample them to the image first",
                    )
        scheme = load_scheme(self.scheme)
        for volume in labelmaps.values():
            check_sided_labels(volume.array, scheme)
        reviewed, muscles = self.reviewed, set(self.reviewed.muscles)
        named = [(reviewed.slice_axis, reviewed.slices)]
        for muscle in reviewed.unseen:
            named.append((muscle.slice_axis, muscle.slices))
            muscles.add(muscle.value)
        for axis, indices in named:
            slices = self.labels.array.shape[2 - axis]
            if any(not 0 <= index < slices for index in indices):
                raise MuscleFMError(
                    f"slices were reviewed that are not there (the image has {slices})",
                    f"give slices from 0 to {slices - 1}",
                )
        if unknown := muscles - scheme.labels_of_sides().keys():
            raise MuscleFMError(
                f"muscles {sorted(unknown)} are not in label scheme '{self.scheme}'",
                "give muscles of the scheme",
            )

    @property
    def grid(self) -> Grid:
        """The grid of all volumes: that of the first channel."""
        return next(iter(self.channels.values())).grid

    def training_labels(self) -> Volume:
        """Return what a network may learn from.

        Returns
        -------
        Volume
            ``(K, J, I) uint8``: the corrected labels, sided values, and IGNORE (255)
            wherever they were not reviewed.
        """
        before = None if self.model_labels is None else self.model_labels.array
        reviewed = self.reviewed.mask(self.labels.array, before)
        return self.labels.with_array(np.where(reviewed, self.labels.array, np.uint8(IGNORE)))

    def absent_muscles(self) -> dict[int, npt.NDArray[np.bool_]]:
        """Return where a verified muscle is known not to be, though what is there is not known.

        Returns
        -------
        dict
            By the sided value of each verified muscle, ``(K, J, I) bool``: all that is to be
            ignored in :meth:`training_labels`, but for the muscle's unseen slices, and for
            voxels that hold a verified muscle or are unknown to the reader.
        """
        if self.reviewed.kind != "muscles" or not self.reviewed.muscles:
            return {}
        named = (*self.reviewed.muscles, IGNORE)
        ignored = self.training_labels().array == IGNORE
        elsewhere = ignored & ~np.isin(self.labels.array, named)
        # Muscles that were looked at in the same slices share an array.
        found: dict[frozenset[tuple[int, tuple[int, ...]]], npt.NDArray[np.bool_]] = {}
        absent = {}
        for value in self.reviewed.muscles:
            own = [muscle for muscle in self.reviewed.unseen if muscle.value == value]
            key = frozenset((muscle.slice_axis, muscle.slices) for muscle in own)
            if key not in found:
                found[key] = elsewhere.copy()
                for muscle in own:
                    np.moveaxis(found[key], 2 - muscle.slice_axis, 0)[list(muscle.slices)] = False
            absent[value] = found[key]
        return absent
