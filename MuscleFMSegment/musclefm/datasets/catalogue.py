"""The data sets that are known: one JSON file each, shipped or of the user's."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from musclefm.errors import MuscleFMError
from musclefm.evaluation.cohort.severity import Severity
from musclefm.labels.scheme import Side
from musclefm.plain_text import printable
from musclefm.storage.download import RemoteFile
from musclefm.storage.regular_file import is_file, read_regular
from musclefm.storage.resources import resource_folder
from musclefm.storage.user_data import user_data_folder

_LARGEST_FILE = 1 << 20
_LONGEST_NAME = 60


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Archive(_Entry):
    """A zip file of a data set.

    Attributes
    ----------
    address : str
        Where it is.
    file : str
        Its name on the disk.
    megabytes : float or None
        About how large it is; None where nobody knows.
    sha256 : str
        Its hash; empty where its authors give none.
    into : str
        Folder that it is unpacked into; empty for the data set's own.
    """

    address: str
    file: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*\.zip$")
    megabytes: float | None = None
    sha256: str = ""
    into: str = Field("", pattern=r"^[A-Za-z0-9-]*$")

    @property
    def remote(self) -> RemoteFile:
        """As it is downloaded."""
        return RemoteFile(self.address, self.file, sha256=self.sha256)


class Dataset(_Entry):
    """A data set.

    In the patterns of paths, ``{subject}`` stands for whose a case is, ``{part}`` for what
    tells the scans of a subject apart, ``{split}`` and ``{severity}`` for folders of that
    meaning, ``{mask}`` for the structure that a mask shows, and ``*`` for anything. A
    pattern holds in any folder.

    Attributes
    ----------
    name, title, about, page : str
        By which to ask for it, its title, what it holds, where its authors describe it.
    licence : str
        What its authors say, as far as known.
    unconfirmed : tuple of str
        What nobody has looked up at the source, a line each.
    archives : tuple of Archive
        To download; none of a data set that is not public.
    reference : str
        Pattern of the labels.
    channels : dict of str to str
        Patterns of the images by channel.
    labels : dict of str to str
        What the values mean, or the masks by patterns of their names, as in a mapping file.
    scheme : str
        Label scheme that has most of its muscles.
    grey_levels : bool
        Whether the labels are stored as an image.
    one_subject : bool
        Whether all cases count as one person's, as nobody knows whose they are.
    side : str or None
        The patient's side where one thigh alone was labelled.
    severities : dict of str to str
        Severity by the name of a folder.
    held_out : str
        Name of the folder whose subjects are not learned from.
    """

    name: str
    title: str
    about: str
    page: str
    licence: str
    unconfirmed: tuple[str, ...] = ()
    archives: tuple[Archive, ...] = ()
    reference: str
    channels: dict[str, str] = Field(min_length=1)
    labels: dict[str, str] = Field(min_length=1)
    scheme: str
    grey_levels: bool = False
    one_subject: bool = False
    side: Side | None = None
    severities: dict[str, Severity] = {}
    held_out: str = ""

    @property
    def is_public(self) -> bool:
        """Whether it can be downloaded."""
        return bool(self.archives)

    @property
    def folder(self) -> Path:
        """The user's folder of it; it may not exist yet."""
        return _own_folder() / self.name

    @property
    def files(self) -> Path:
        """Where its files lie once they are downloaded."""
        return self.folder / "files"

    def prepared(self, scheme: str) -> Path:
        """Return where its data list lies once it is prepared."""
        return self.folder / f"prepared-{scheme}"


def list_datasets() -> tuple[Dataset, ...]:
    """Return all known data sets by name, those of the user's among them.

    Raises
    ------
    MuscleFMError
        The file of one is damaged.
    """
    return tuple(_read(path) for _, path in sorted(_files().items()))


def find_dataset(name: str) -> Dataset:
    """Return a data set by its name.

    Raises
    ------
    MuscleFMError
        There is none, or its file is damaged.
    """
    files = _files()
    if name not in files:
        raise MuscleFMError(
            f"there is no data set '{printable(name, _LONGEST_NAME)}'",
            f"use one of {', '.join(sorted(files))}",
        )
    return _read(files[name])


def _own_folder() -> Path:
    return user_data_folder() / "datasets"


def _files() -> dict[str, Path]:
    shipped, own = resource_folder() / "DataSets", _own_folder()
    found = [path for folder in (shipped, own) for path in folder.glob("*.json") if is_file(path)]
    # The user's goes before a shipped one of its name, whose layout may be wrong or old.
    return {path.stem: path for path in found}


def _read(path: Path) -> Dataset:
    try:
        dataset = Dataset.model_validate_json(read_regular(path, _LARGEST_FILE))
    except OSError as error:
        raise MuscleFMError(
            f"the file of data set '{path.stem}' cannot be read"
            f" ({error.strerror or 'input or output error'})",
            "check its access rights",
        ) from error
    except ValidationError as error:
        places = ", ".join(".".join(map(str, fault["loc"])) for fault in error.errors()[:3])
        raise MuscleFMError(
            f"the file of data set '{path.stem}' is damaged ({places})", "correct it"
        ) from error
    if dataset.name != path.stem:
        raise MuscleFMError(
            f"the file of data set '{path.stem}' calls it '{printable(dataset.name)}'",
            "name the file after the data set",
        )
    return dataset
