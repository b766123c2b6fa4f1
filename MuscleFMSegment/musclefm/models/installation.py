"""New versions of models take the place of older ones, and the way back."""

from __future__ import annotations

import contextlib
import re
from dataclasses import replace
from pathlib import Path

from musclefm.errors import MuscleFMError
from musclefm.models.archive import BundleSource, bundle_source, copy_bundle
from musclefm.models.bundle import Bundle, open_bundle
from musclefm.models.manifest import NAME_PATTERN
from musclefm.models.registry import (
    ListedBundle,
    find_version,
    list_bases,
    list_versions,
    versions_in_use,
)
from musclefm.models.versions import (
    BASE,
    HISTORY_FILE,
    discard,
    installed_versions,
    new_version_id,
    sole_writer,
    version_folder,
    write_order_of_use,
)
from musclefm.storage.atomic import staged_folder


def install_version(path: Path, name: str | None = None) -> Bundle:
    """Install a bundle under its name, and use it from now on.

    A model that has the name already keeps all its versions, shipped ones too:
    :func:`roll_back` returns to the former one. A version that is installed already is
    used again.

    Parameters
    ----------
    path : Path
        A bundle's folder, e.g. a newly trained one, or a ``.zip`` of
        :func:`musclefm.models.archive.export_bundle`. It is copied.
    name : str, optional
        By which to ask for it; its own by default.

    Returns
    -------
    Bundle
        Where it was installed.

    Raises
    ------
    MuscleFMError
        It is no sound bundle, or cannot be written. All is as before then.
    """
    with sole_writer(), bundle_source(path) as found:
        source = _renamed(found, name) if name else found
        name = source.manifest.name
        used = versions_in_use(name)
        version = _installed_already(source) or _install(source)
        write_order_of_use(name, (*used, version))
        return open_bundle(find_version(name, version).folder, verify=False)


def roll_back(name: str, version: str | None = None) -> ListedBundle:
    """Go back to the version that was in use before, one step a call, or to a certain one.

    Parameters
    ----------
    name : str
        Of the model.
    version : str, optional
        To be used from now on, an older or a newer one. The one in use now becomes its
        former version.

    Returns
    -------
    ListedBundle
        What is in use now.

    Raises
    ------
    MuscleFMError
        There is no such model or version, or none to go back to.
    """
    with sole_writer():
        if version is None:
            used = _before(name)
        else:
            find_version(name, version)
            used = (*_used_or_nothing(name), version)
        write_order_of_use(name, used)
        return find_version(name, versions_in_use(name)[-1])


def remove_model(name: str, version: str | None = None) -> None:
    """Remove a model of the user's with all its versions, or one version, for good.

    Parameters
    ----------
    name : str
        Of the model; of one that is damaged, or hidden by a namesake, its folder's.
    version : str, optional
        Only this one. The former one is used where it was in use.

    Raises
    ------
    MuscleFMError
        There is no such thing, it comes with the library, or it cannot be removed.
    """
    with sole_writer():
        if version is not None:
            entry = find_version(name, version)
            _refuse_shipped(entry)
            _discard_version(entry)
            return
        bases = [x for x in list_bases() if name in (x.name, x.folder.name)]
        own = [x for x in bases if x.origin == "user"]
        # A folder's name is unambiguous, that of a model may not be.
        chosen = [x for x in own if x.folder.name == name]
        if bases and not chosen:
            _refuse_shipped(bases[0])
            chosen = own
        if not chosen and not installed_versions(name):
            find_version(name, BASE)
        for base in chosen[:1]:
            discard(base.folder)
            name = base.name
        # Of a namesake the versions stay.
        if not any(x.name == name for x in list_bases()):
            for entry in list_versions(name):
                _discard_version(entry)


def _renamed(source: BundleSource, name: str) -> BundleSource:
    if not re.fullmatch(NAME_PATTERN, name):
        raise MuscleFMError(
            f"'{name}' cannot be the name of a model",
            "use lower-case letters, digits, dots, hyphens and underscores",
        )
    if name == source.manifest.name:
        return source
    manifest = source.manifest.model_copy(update={"name": name})
    return replace(
        source, manifest=manifest, text=f"{manifest.model_dump_json(indent=2)}\n".encode()
    )


def _installed_already(source: BundleSource) -> str | None:
    """Return the version that is this very bundle, and sound."""
    for entry in list_versions(source.manifest.name):
        if entry.bundle and entry.bundle.sha256 == source.manifest.sha256:
            with contextlib.suppress(MuscleFMError):
                open_bundle(entry.folder)
                return entry.version
    return None


def _install(source: BundleSource) -> str:
    version = new_version_id(source.manifest.sha256)
    with staged_folder(version_folder(source.manifest.name, version)) as staged:
        copy_bundle(source, staged)
        # The hashes were compared on the way; this looks at the rest.
        open_bundle(staged, verify=False)
    return version


def _before(name: str) -> tuple[str, ...]:
    used = versions_in_use(name)
    if not used:
        find_version(name, BASE)
    if len(used) < 2:
        raise MuscleFMError(
            f"model '{name}' has no former version to go back to",
            f"see its versions with 'musclefm models show {name}'",
        )
    return used[:-1]


def _used_or_nothing(name: str) -> tuple[str, ...]:
    # Choosing a version repairs a damaged history.
    try:
        return versions_in_use(name)
    except MuscleFMError:
        return ()


def _refuse_shipped(entry: ListedBundle) -> None:
    if entry.origin == "shipped":
        raise MuscleFMError(
            f"model '{entry.name}' comes with musclefm and stays",
            f"remove an installed version of it as {entry.name}@VERSION,"
            f" see 'musclefm models show {entry.name}'",
        )


def _discard_version(entry: ListedBundle) -> None:
    discard(entry.folder)
    if entry.version != BASE and not installed_versions(entry.name):
        with contextlib.suppress(OSError):
            version_folder(entry.name, HISTORY_FILE).unlink(missing_ok=True)
            version_folder(entry.name).rmdir()
