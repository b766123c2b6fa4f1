"""A case to learn from, or to be tested on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from musclefm.labels.scheme import LabelScheme, Side
from musclefm.volumes.channels import Channels
from musclefm.volumes.volume import Volume


@dataclass(frozen=True)
class LabelledCase:
    """Images and reference labels on one grid.

    Attributes
    ----------
    subject : str
        The same for all cases of a person: folds keep them together. A pseudonym.
    channels : Channels
        ``(K, J, I) float32`` each.
    labels : Volume
        ``(K, J, I) uint8``: ids of the scheme, both sides alike; 255 is to be
        ignored.
    scheme : LabelScheme
        What the labels mean.
    side : str or None
        The patient's side of most labelled voxels, where that is known.
    absent : mapping of int to ndarray
        By sided values of muscles, ``(K, J, I) bool``: where the muscle is known not to be,
        among the voxels that are to be ignored.
    """

    subject: str
    channels: Channels
    labels: Volume
    scheme: LabelScheme
    side: Side | None = None
    absent: Mapping[int, npt.NDArray[np.bool_]] = field(default_factory=dict)
