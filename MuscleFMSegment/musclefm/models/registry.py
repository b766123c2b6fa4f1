"""Which models there are: shipped ones and the user's own."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from platformdirs import user_data_path

from musclefm.errors import MuscleFMError
from musclefm.models.bundle import MANIFEST_FILE, Bundle, open_bundle
from musclefm.resources import resource_folder

DEFAULT_MODEL = "thigh-demo"
"""The shipped ensemble, which runs when no model is named."""

HOME_VARIABLE = "MUSCLEFM_HOME"
"""Environment variable that moves the user's data, models among it."""

Origin = Literal["shipped", "user"]


@dataclass(frozen=True)
class ListedBundle:
    """A model that was found, sound or not.

    Attributes
    ----------
    name : str
        As in its manifest; of a damaged one, its folder's name.
    folder : Path
        Where it lies.
    origin : str
        ``"shipped"`` with the library, or the ``"user"``'s own.
    bundle : Bundle or None
        The model; None where it is damaged.
    fault : str
        What keeps it from being used by its name; empty where nothing does.
    """

    name: str
    folder: Path
    origin: Origin
    bundle: Bundle | None
    fault: str = ""


def shipped_models_folder() -> Path:
    """Return the folder of the models that come with the library."""
    return resource_folder() / "Models"


def user_models_folder() -> Path:
    """Return the folder of the user's own models; it may not exist yet."""
    home = os.environ.get(HOME_VARIABLE)
    return (Path(home) if home else user_data_path("musclefm", appauthor=False)) / "models"


def list_bundles(verify: bool = False) -> tuple[ListedBundle, ...]:
    """List all models, shipped ones first, each group by name.

    Of several with the same name the first one is used by it; the others are
    listed with that fault and can be used by their folder.

    Parameters
    ----------
    verify : bool
        Whether to compare the hash of every file, which reads all of them.
    """
    listed: list[ListedBundle] = []
    places: tuple[tuple[Origin, Path], ...] = (
        ("shipped", shipped_models_folder()),
        ("user", user_models_folder()),
    )
    for origin, place in places:
        found = [_listed(folder, origin, verify) for folder in _model_folders(place)]
        for entry in sorted(found, key=lambda entry: (entry.name, entry.folder.name)):
            taken = any(entry.name == other.name for other in listed if not other.fault)
            if taken and not entry.fault:
                fault = f"another model is named '{entry.name}': use this one by its folder"
                entry = ListedBundle(entry.name, entry.folder, origin, entry.bundle, fault)
            listed.append(entry)
    return tuple(listed)


def find_bundle(name_or_path: str | Path = DEFAULT_MODEL) -> Bundle:
    """Open the model that a user asks for, by name or by folder.

    Parameters
    ----------
    name_or_path : str or Path
        A name of :func:`list_bundles`, else a folder that holds ``model.json``.

    Raises
    ------
    MuscleFMError
        There is no such model, or it is damaged.
    """
    asked = str(name_or_path)
    listed = list_bundles()
    named = [entry for entry in listed if entry.name == asked]
    if named:
        return open_bundle(min(named, key=lambda entry: bool(entry.fault)).folder)
    if Path(asked).is_dir():
        return open_bundle(Path(asked))
    known = ", ".join(entry.name for entry in listed if not entry.fault) or "none"
    raise MuscleFMError(
        f"there is no model '{Path(asked).name}'",
        f"use one of these: {known}; or a folder that holds {MANIFEST_FILE}",
    )


def _model_folders(place: Path) -> list[Path]:
    try:
        return [entry for entry in place.iterdir() if (entry / MANIFEST_FILE).is_file()]
    except OSError:
        return []


def _listed(folder: Path, origin: Origin, verify: bool) -> ListedBundle:
    try:
        bundle = open_bundle(folder, verify=verify)
    except MuscleFMError as error:
        return ListedBundle(folder.name, folder, origin, None, str(error))
    return ListedBundle(bundle.manifest.name, folder, origin, bundle)
