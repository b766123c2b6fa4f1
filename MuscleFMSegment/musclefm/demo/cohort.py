"""A cohort of rendered scans with known labels: from the same seed the same for everyone."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from musclefm.defaults import DEFAULT_SCHEME
from musclefm.demo.phantom.anatomies import Anatomy, labelled_slices, load_anatomies
from musclefm.demo.phantom.contrast import ContrastName
from musclefm.demo.phantom.legs import sided_labels
from musclefm.demo.phantom.parametric import parametric_labelmap
from musclefm.demo.sample import render_scan, thighs_grid
from musclefm.errors import MuscleFMError
from musclefm.evaluation.cohort.severity import SEVERITIES
from musclefm.exchange.datalist import datalist_text
from musclefm.labels.scheme import LabelScheme, load_scheme
from musclefm.progress import Progress, ProgressEvent
from musclefm.storage.atomic import atomic_text, check_folder, writing_errors
from musclefm.storage.regular_file import read_regular
from musclefm.storage.targets import ANOTHER_FOLDER
from musclefm.training.data.dataset import DATA_LIST_FILE
from musclefm.volumes.volume import Volume
from musclefm.volumes.writing import write_volume

# As many as the names of cases number.
_CASES_AT_MOST = 9999
RECIPE_FILE = "cohort.json"
"""What a cohort is rendered from; there from the first case on."""

# Raised whenever the same seed gives other files than before.
_RENDERING = 1
_FOLDS = 5
_LARGEST_RECIPE = 1 << 16


@dataclass(frozen=True)
class CohortRecipe:
    """How a cohort is rendered. A case does not depend on how many there are.

    Attributes
    ----------
    seed : int
        Of all that is drawn at random.
    slices : int
        Of a case; of real anatomies at most so many.
    pixel_mm : float
        Edge of a pixel in mm.
    t1 : bool
        Whether a T1-weighted image is rendered, too: the channel ``"image"``.
    """

    seed: int = 0
    slices: int = 26
    pixel_mm: float = 2.0
    t1: bool = False

    @property
    def contrasts(self) -> dict[str, ContrastName]:
        """Contrasts by the names of their channels."""
        dixon: dict[str, ContrastName] = {"water": "water", "fat": "fat"}
        return dixon | {"image": "t1"} if self.t1 else dixon

    def check(self) -> None:
        """Require numbers that a scan may have.

        Raises
        ------
        MuscleFMError
            One is out of its range.
        """
        if self.seed < 0:
            raise MuscleFMError("--seed is negative", "give 0 or more")
        if not 4 <= self.slices <= 200:
            raise MuscleFMError("--slices must be from 4 to 200", "26 is usual")
        if not 0.8 <= self.pixel_mm <= 8:
            raise MuscleFMError("--pixel-mm must be from 0.8 to 8", "2 is usual")


def render_cohort(
    recipe: CohortRecipe, count: int, out: Path, progress: Progress, anatomies: Path | None = None
) -> None:
    """Render a cohort, early, moderate and severe in turn, and its ``datalist.json``.

    Cases that are there already are kept, so that what was interrupted is resumed, and
    more cases are added to a cohort. The list is written last. Its labels have sides;
    each item has ``subject``, ``severity`` and ``fold``, of which no two share a subject.

    Parameters
    ----------
    recipe : CohortRecipe
        How.
    count : int
        Cases.
    out : Path
        New or empty, or a cohort's of the same recipe.
    progress : Progress
        Called before each case.
    anatomies : Path, optional
        Folder of label maps of both thighs, taken in turn, each in all severities; by
        default every case is a person drawn at random.

    Raises
    ------
    MuscleFMError
        A number is out of its range, the folder holds something else, or it cannot be
        written.
    """
    recipe.check()
    if not 1 <= count <= _CASES_AT_MOST:
        raise MuscleFMError(f"--cohort must be from 1 to {_CASES_AT_MOST}", "18 is usual")
    scheme = load_scheme(DEFAULT_SCHEME)
    maps = load_anatomies(anatomies, scheme) if anatomies else []
    _claim(out, _record(recipe, maps))
    subjects = list(dict.fromkeys(anatomy.subject for anatomy in maps))
    items: list[dict[str, object]] = []
    for number in range(count):
        progress(ProgressEvent("render", number, count, "cases"))
        turn, place = divmod(number, len(SEVERITIES))
        key = f"case-{number + 1:04d}"
        images = {name: f"images/{key}-{name}.nii.gz" for name in recipe.contrasts}
        label = f"labels/{key}.nii.gz"
        anatomy = maps[turn % len(maps)] if maps else None
        if not (out / label).exists():
            labels, channels = _case(recipe, number, anatomy, scheme)
            for name, path in images.items():
                write_volume(channels[name], out / path)
            # Last: what has labels is complete.
            write_volume(labels, out / label)
        items.append(
            {
                "image": list(images.values()),
                "label": label,
                "subject": anatomy.subject if anatomy else f"drawn-{number + 1:04d}",
                "severity": SEVERITIES[place],
                "fold": (subjects.index(anatomy.subject) if anatomy else turn) % _FOLDS,
            }
        )
    atomic_text(out / DATA_LIST_FILE, datalist_text(items, list(images), scheme, sided=True))
    progress(ProgressEvent("render", count, count, "done"))


def kept_cohort(out: Path) -> str:
    """Return what is kept of a cohort whose rendering was interrupted, or an empty text."""
    count = len(list((out / "labels").glob("case-*.nii.gz")))
    cases = "1 case is" if count == 1 else f"{count} cases are"
    return f"{cases} kept; run the same command again to resume" if count else ""


def _case(
    recipe: CohortRecipe, number: int, anatomy: Anatomy | None, scheme: LabelScheme
) -> tuple[Volume, dict[str, Volume]]:
    """Return a case's sided labels ``(K, J, I) uint8``, and its images by channel."""
    rng = np.random.default_rng([recipe.seed, number])
    if anatomy:
        labelmap = labelled_slices(anatomy.labelmap, recipe.pixel_mm, recipe.slices)
    else:
        labelmap = parametric_labelmap(
            scheme, rng, grid=thighs_grid(recipe.slices, recipe.pixel_mm)
        )
    severity, contrasts = SEVERITIES[number % len(SEVERITIES)], recipe.contrasts
    seed = int(rng.integers(2**31))
    images = render_scan(labelmap, scheme, severity, list(contrasts.values()), rng, seed)
    labels = labelmap.with_array(sided_labels(labelmap, scheme))
    return labels, {name: images[contrast] for name, contrast in contrasts.items()}


def _record(recipe: CohortRecipe, maps: list[Anatomy]) -> dict[str, object]:
    digest = hashlib.sha256()
    for anatomy in maps:
        digest.update(repr((anatomy.subject, anatomy.labelmap.grid)).encode())
        digest.update(anatomy.labelmap.array.tobytes())
    known = {"anatomies_sha256": digest.hexdigest() if maps else None}
    return {"rendering": _RENDERING, **asdict(recipe), **known}


def _claim(out: Path, record: dict[str, object]) -> None:
    """Begin a cohort's folder, or require that one is of the same recipe."""
    if (out / RECIPE_FILE).is_file():
        try:
            same = json.loads(read_regular(out / RECIPE_FILE, _LARGEST_RECIPE)) == record
        except (OSError, ValueError, RecursionError):
            same = False
        if not same:
            raise MuscleFMError("the folder holds a cohort of another recipe", ANOTHER_FOLDER)
    else:
        check_folder(out)
    with writing_errors():
        for name in ("images", "labels"):
            (out / name).mkdir(parents=True, exist_ok=True)
    atomic_text(out / RECIPE_FILE, json.dumps(record, indent=2) + "\n")
