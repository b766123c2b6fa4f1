"""A bundle: the folder that holds a model's manifest and weights."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import safetensors

from musclefm.errors import MuscleFMError
from musclefm.labels.scheme import LabelScheme, load_scheme
from musclefm.models.manifest import LARGEST_MANIFEST, BundleCard, BundleManifest, parse_manifest
from musclefm.models.weight_files import check_weights
from musclefm.storage.atomic import atomic_text, replaced_folder
from musclefm.storage.regular_file import is_file, read_regular
from musclefm.storage.user_data import FOR_THE_USER_ALONE, make_private_folder

if TYPE_CHECKING:
    import torch

    from musclefm.models.member_files import MemberState
    from musclefm.networks.network import SegmentationNetwork

_log = logging.getLogger(__name__)

MANIFEST_FILE = "model.json"


@dataclass(frozen=True)
class Bundle:
    """A model on disk whose files are what its manifest says.

    Attributes
    ----------
    folder : Path
        Where it lies.
    manifest : BundleManifest
        Its ``model.json``.
    scheme : LabelScheme
        What its classes mean.
    """

    folder: Path
    manifest: BundleManifest
    scheme: LabelScheme

    @property
    def sha256(self) -> str:
        """Hash of the manifest as canonical JSON, which holds the hash of every file."""
        return self.manifest.sha256

    def require_ready(self) -> None:
        """Require that the model can segment.

        Raises
        ------
        MuscleFMError
            It is only a pretrained checkpoint.
        """
        if not self.manifest.ready:
            raise MuscleFMError(
                f"model '{self.manifest.name}' is a pretrained checkpoint: its class outputs are"
                " untrained",
                "train it first, or choose a model that 'musclefm models list' calls ready",
            )

    def load_member(
        self,
        index: int,
        device: torch.device | str = "cpu",
        dtype: torch.dtype | None = None,
    ) -> SegmentationNetwork:
        """Load one network, in evaluation mode.

        Parameters
        ----------
        index : int
            Which member, from 0.
        device : torch.device or str
            Where to put it.
        dtype : torch.dtype, optional
            Of its floating-point weights; float32 by default.

        Raises
        ------
        MuscleFMError
            Its weights do not fit the architecture.
        """
        # Imported late: what only lists models need not wait for torch.
        import torch

        from musclefm.models.member_files import load_network

        dtype = torch.float32 if dtype is None else dtype
        return load_network(
            self.folder, self.manifest, self.scheme.class_count, index, device, dtype
        )


def open_bundle(folder: Path, verify: bool = True) -> Bundle:
    """Open a bundle and check that it is whole.

    Parameters
    ----------
    folder : Path
        Holds ``model.json``.
    verify : bool
        Whether to compare the hash of every file; without, only its size.

    Raises
    ------
    MuscleFMError
        No bundle; a file is missing, changed or no safetensors; its
        architecture or label scheme is unknown.
    """
    try:
        text = read_regular(folder / MANIFEST_FILE, LARGEST_MANIFEST, links=False)
    except OSError as error:
        raise MuscleFMError(
            f"'{folder.name}' is not a model: it holds no readable {MANIFEST_FILE}",
            "name a model of 'musclefm models list', or a folder that holds model.json",
        ) from error
    manifest = parse_manifest(text, folder.name)
    try:
        scheme = load_scheme(manifest.scheme)
    except MuscleFMError as error:
        raise MuscleFMError(
            f"model '{manifest.name}' uses label scheme '{manifest.scheme}', which this musclefm"
            " does not have",
            "update musclefm, or use another model",
        ) from error
    for entry in manifest.files:
        check_weights(folder / entry.file, entry, manifest.name, verify)
    _log.debug("opened model %s %s", manifest.name, manifest.version)
    return Bundle(folder=folder, manifest=manifest, scheme=scheme)


def save_bundle(
    folder: Path,
    card: BundleCard,
    members: Sequence[MemberState],
    precision: Literal["fp16", "fp32"] = "fp16",
    replace: bool = False,
) -> Bundle:
    """Write a bundle, wholly or not at all.

    Parameters
    ----------
    folder : Path
        To be made, with its parents.
    card : BundleCard
        What its maker says of the model.
    members : sequence of MemberState
        At least one. Tensors of the image encoder that are equal in all of
        several members are stored once.
    precision : str
        Of the stored weights.
    replace : bool
        Whether a bundle that is already there may be replaced.

    Raises
    ------
    MuscleFMError
        The folder is taken, or cannot be written.
    """
    # Imported late, as in load_member.
    from musclefm.models.member_files import write_members

    if folder.exists() and not (replace and is_file(folder / MANIFEST_FILE)):
        raise MuscleFMError(f"'{folder.name}' exists already", "choose another name or folder")
    try:
        make_private_folder(folder.parent)
        replaced = {entry.name for entry in folder.iterdir()} if folder.exists() else ()
        with replaced_folder(folder, replaced) as staged:
            staged.chmod(FOR_THE_USER_ALONE)
            manifest = write_members(staged, card, members, half=precision == "fp16")
            atomic_text(staged / MANIFEST_FILE, manifest.model_dump_json(indent=2) + "\n")
    except (OSError, safetensors.SafetensorError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise MuscleFMError(
            f"the model '{card.name}' cannot be written ({reason})",
            "free some space or choose another folder",
        ) from error
    return open_bundle(folder, verify=False)
