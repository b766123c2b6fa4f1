"""Which members of an ensemble are fit to stay in it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

LARGEST_RATIO = 1.3
"""Of a member's NLL to the best one's."""


def select_members(nlls: Sequence[float]) -> list[bool]:
    """Tell which members may stay: one weak member drags the whole ensemble.

    Left out are those that diverged, and those whose NLL is far above the best
    one's.

    Parameters
    ----------
    nlls : sequence of float
        Of each member, in nats, on the same data that none of them saw; not
        finite where it diverged.
    """
    finite = [nll for nll in nlls if np.isfinite(nll)]
    return [bool(np.isfinite(nll)) and nll <= LARGEST_RATIO * min(finite) for nll in nlls]
