"""Water and fat images of cases whose segmentations are mere label files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from musclefm.api.evaluation.matching import MatchedCase
from musclefm.errors import MuscleFMError
from musclefm.evaluation.cohort.case_pair import CasePair
from musclefm.volumes.channels import read_channels
from musclefm.volumes.files_by_name import files_by_name, is_image_or_labels
from musclefm.volumes.grid import Grid
from musclefm.volumes.volume import Volume


def with_fat_and_water(
    cases: Iterable[MatchedCase], water: Path | None, fat: Path | None
) -> tuple[MatchedCase, ...]:
    """Return cases with their water and fat images.

    Parameters
    ----------
    cases : iterable of MatchedCase
        What a data list names stays where nothing is given.
    water, fat : Path or None
        Of a single case an image; of several a folder of images named after them.

    Raises
    ------
    MuscleFMError
        One of the two is missing, or has no image of a case.
    """
    cases = tuple(cases)
    if water is None and fat is None:
        return cases
    if water is None or fat is None:
        raise MuscleFMError("a fat fraction needs water and fat", "give both --water and --fat")
    given = []
    for case in cases:
        images = {}
        for name, path in (("water", water), ("fat", fat)):
            found = {}
            if path.is_dir():
                found = files_by_name(filter(is_image_or_labels, path.iterdir()), f"{name} images")
            if case.name not in found and (len(cases) > 1 or not path.exists()):
                raise MuscleFMError(
                    f"a case has no {name} image", "name each as the reference's file is named"
                )
            images[name] = found.get(case.name, path)
        given.append(replace(case, images=images))
    return tuple(given)


def with_fat_fraction(pair: CasePair, images: Mapping[str, Path], grid: Grid | None) -> CasePair:
    """Return a pair with the fat fraction of water and fat images, if it has none yet.

    Parameters
    ----------
    pair : CasePair
        The pair.
    images : mapping of str to Path
        By channel; without both water and fat the pair stays as it is.
    grid : Grid or None
        Of the segmentation.

    Raises
    ------
    MuscleFMError
        The images cannot be read, or lie elsewhere; or the segmentation has no grid.
    """
    if pair.fat_fraction is not None or not {"water", "fat"} <= images.keys():
        return pair
    if grid is None:
        raise MuscleFMError(
            "an array does not say where it lies in the images", "give it as a musclefm.Volume"
        )
    # Imported late, as it is rarely needed.
    from musclefm.exchange.alignment import nearest_on_grid

    channels = read_channels({name: images[name] for name in ("water", "fat")})
    fraction = channels.fat_fraction()
    if fraction is None:
        return pair
    # Raised by one: what lies beyond the images is 0.
    raised = nearest_on_grid(Volume(fraction + 1, channels.grid), grid).array
    if not raised.any():
        raise MuscleFMError(
            "water and fat lie elsewhere than the segmentation", "give those of the same scan"
        )
    return replace(pair, fat_fraction=np.where(raised == 0, np.nan, raised - 1))
