"""Which models there are, shipped ones and the user's own, and in which versions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from musclefm.defaults import DEFAULT_MODEL
from musclefm.errors import MuscleFMError
from musclefm.models.bundle import MANIFEST_FILE, Bundle, open_bundle
from musclefm.models.versions import (
    BASE,
    damaged_history,
    installed_versions,
    models_with_versions,
    order_of_use,
    user_models_folder,
    version_folder,
)
from musclefm.storage.regular_file import is_file, is_folder
from musclefm.storage.resources import resource_folder

Origin = Literal["shipped", "user"]


@dataclass(frozen=True)
class ListedBundle:
    """A model, or a version of one, that was found, sound or not.

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
    version : str
        Id of the installed version, or ``"base"``; empty where it is unknown.
    """

    name: str
    folder: Path
    origin: Origin
    bundle: Bundle | None
    fault: str = ""
    version: str = BASE


def shipped_models_folder() -> Path:
    """Return the folder of the models that come with the library."""
    return resource_folder() / "Models"


def list_bundles(verify: bool = False) -> tuple[ListedBundle, ...]:
    """List all models, each in the version that is in use.

    Shipped ones come first, then those of the user's folder of models, then those of which
    there are installed versions only; each group by name. Of several with the same name
    the first one is used by it; the others are listed with that fault and can be used by
    their folder.

    Parameters
    ----------
    verify : bool
        Whether to compare the hash of every file, which reads all of them.
    """
    bases = list_bases(verify)
    first = _by_name(bases)
    listed = [
        _in_use(entry.name, entry, verify) if entry is first[entry.name] else entry
        for entry in bases
    ]
    installed_only = [name for name in models_with_versions() if name not in first]
    listed += [_in_use(name, None, verify) for name in installed_only]
    return tuple(entry for entry in listed if entry)


def list_bases(verify: bool = False) -> tuple[ListedBundle, ...]:
    """List the first versions of all models, see :func:`list_bundles`."""
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
                entry = replace(entry, fault=fault)
            listed.append(entry)
    return tuple(listed)


def list_versions(name: str) -> tuple[ListedBundle, ...]:
    """List all versions of a model, the first one first, then by when they were installed.

    Returns
    -------
    tuple of ListedBundle
        Empty where there is no such model.
    """
    base = _by_name(list_bases()).get(name)
    installed = [_installed(name, version, False) for version in installed_versions(name)]
    return (base, *installed) if base else tuple(installed)


def versions_in_use(name: str) -> tuple[str, ...]:
    """Return the versions of a model in the order in which they came into use.

    The last one is in use now; going back leads to the one before it.

    Raises
    ------
    MuscleFMError
        What was noted of it is damaged.
    """
    return order_of_use(name, has_base=name in _by_name(list_bases()))


def former_version(name: str) -> str:
    """Return the version of a model that going back leads to; empty where there is none."""
    try:
        return "".join(versions_in_use(name)[-2:-1])
    except MuscleFMError:
        return ""


def find_version(name: str, version: str) -> ListedBundle:
    """Return one version of a model.

    Raises
    ------
    MuscleFMError
        There is no such model or version.
    """
    versions = list_versions(name)
    if not versions:
        raise _unknown(name)
    for entry in versions:
        if entry.version == version:
            return entry
    raise MuscleFMError(
        f"model '{name}' has no version '{version}'",
        f"use one of these: {', '.join(entry.version for entry in versions)}",
    )


def find_bundle(name_or_path: str | Path = DEFAULT_MODEL) -> Bundle:
    """Open the model that a user asks for, by name or by folder.

    Parameters
    ----------
    name_or_path : str or Path
        A name of :func:`list_bundles`, in a certain version as ``name@version``,
        else a folder that holds ``model.json``.

    Raises
    ------
    MuscleFMError
        There is no such model, or it is damaged.
    """
    asked = str(name_or_path)
    listed = list_bundles()
    named = [entry for entry in listed if entry.name == asked]
    if named:
        return _open(min(named, key=lambda entry: bool(entry.fault)))
    name, _, version = asked.rpartition("@")
    if any(entry.name == name for entry in listed):
        return open_bundle(find_version(name, version).folder)
    if is_folder(Path(asked)):
        return open_bundle(Path(asked))
    raise _unknown(asked)


def _open(entry: ListedBundle) -> Bundle:
    if not entry.version:
        raise damaged_history(entry.name)
    try:
        return open_bundle(entry.folder)
    except MuscleFMError as error:
        if entry.version == BASE:
            raise
        back = f"or go back with 'musclefm models rollback {entry.name}'"
        raise MuscleFMError(error.cause, f"{error.remedy}, {back}") from error


def _by_name(entries: Iterable[ListedBundle]) -> dict[str, ListedBundle]:
    """Return which of several with the same name is used by it."""
    first: dict[str, ListedBundle] = {}
    for entry in sorted(entries, key=lambda entry: bool(entry.fault)):
        first.setdefault(entry.name, entry)
    return first


def _in_use(name: str, base: ListedBundle | None, verify: bool) -> ListedBundle | None:
    try:
        used = order_of_use(name, has_base=base is not None)
    except MuscleFMError as error:
        return ListedBundle(name, version_folder(name), "user", None, str(error), version="")
    if not used or used[-1] == BASE:
        return base
    return _installed(name, used[-1], verify)


def _installed(name: str, version: str, verify: bool) -> ListedBundle:
    entry = _listed(version_folder(name, version), "user", verify)
    return replace(entry, name=name, version=version)


def _model_folders(place: Path) -> list[Path]:
    try:
        entries = [entry for entry in place.iterdir() if not entry.name.startswith(".")]
    except OSError:
        return []
    return [entry for entry in entries if is_file(entry / MANIFEST_FILE)]


def _listed(folder: Path, origin: Origin, verify: bool) -> ListedBundle:
    try:
        bundle = open_bundle(folder, verify=verify)
    except MuscleFMError as error:
        return ListedBundle(folder.name, folder, origin, None, str(error))
    return ListedBundle(bundle.manifest.name, folder, origin, bundle)


def _unknown(asked: str) -> MuscleFMError:
    known = ", ".join(entry.name for entry in list_bundles() if not entry.fault) or "none"
    return MuscleFMError(
        f"there is no model '{Path(asked).name}'",
        f"use one of these: {known}; or a folder that holds {MANIFEST_FILE}",
    )
