"""The models that are installed, and the sample that is shipped."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from musclefm.defaults import DEFAULT_MODEL
from musclefm.demo.sample import SAMPLE_NAME, sample_channels, sample_labels
from musclefm.labels.scheme import LabelScheme
from musclefm.models.bundle import Bundle
from musclefm.models.registry import ListedBundle, find_bundle, list_bundles
from musclefm.storage.targets import require_new_folder
from musclefm.volumes.channels import read_channels
from musclefm.volumes.volume import Volume


def load_model(model: str | os.PathLike[str] | Bundle = DEFAULT_MODEL) -> Bundle:
    """Open a model; its networks are loaded where they are used.

    Parameters
    ----------
    model : str, path or Bundle
        A name of :func:`list_models`, in a certain version as ``name@version``, or a
        folder that holds a model. A bundle is returned as it is.

    Returns
    -------
    Bundle
        With its ``manifest``, ``scheme``, ``folder`` and ``sha256``.

    Raises
    ------
    MuscleFMError
        There is no such model, or one of its files is not what its manifest says.

    Examples
    --------
    >>> import musclefm
    >>> model = musclefm.load_model("thigh-demo")
    >>> model.scheme.name, len(model.manifest.members)
    ('thigh-11', 6)
    """
    return model if isinstance(model, Bundle) else find_bundle(os.fspath(model))


def list_models() -> tuple[ListedBundle, ...]:
    """List all models, the shipped ones first, each in the version that is in use.

    Returns
    -------
    tuple of ListedBundle
        With ``name``, ``version``, ``origin``, and ``fault`` where one cannot be used.

    Examples
    --------
    >>> import musclefm
    >>> [model.name for model in musclefm.list_models() if model.origin == "shipped"]
    ['thigh-demo']
    """
    return list_bundles()


def install_model(path: str | os.PathLike[str], name: str | None = None) -> Bundle:
    """Install a model, or a new version of one, which is then in use; the former one stays.

    Parameters
    ----------
    path : path
        A model's folder, or a ``.zip`` of :func:`export_model`.
    name : str, optional
        To install it under; by default its own.

    Returns
    -------
    Bundle
        As it is installed.

    Raises
    ------
    MuscleFMError
        It is no model, a file of it is damaged, or it cannot be written.

    Examples
    --------
    >>> import musclefm
    >>> musclefm.export_model("thigh-demo", "thigh-demo.zip")
    >>> musclefm.install_model("thigh-demo.zip", "thigh-copy").manifest.name
    'thigh-copy'
    """
    from musclefm.models.installation import install_version

    return install_version(Path(path), name)


def export_model(model: str | os.PathLike[str] | Bundle, out: str | os.PathLike[str]) -> None:
    """Write a model as a folder, or as a ``.zip``, for another computer.

    Parameters
    ----------
    model : str, path or Bundle
        As :func:`load_model` takes it.
    out : path
        To be made; ends in ``.zip`` for one.

    Raises
    ------
    MuscleFMError
        Something is there, or it cannot be written.

    Examples
    --------
    >>> import musclefm, os
    >>> musclefm.export_model("thigh-demo", "exported-model")
    >>> "model.json" in os.listdir("exported-model")
    True
    """
    from musclefm.models.archive import export_bundle

    require_new_folder(Path(out))
    export_bundle(load_model(model), Path(out))


@dataclass(frozen=True)
class Sample:
    """A scan with reference labels, on one grid.

    Attributes
    ----------
    name : str
        Of the sample.
    channels : mapping of str to Volume
        ``(K, J, I) float32``: ``"water"`` and ``"fat"``.
    labels : Volume
        ``(K, J, I) uint8``: ids of the scheme, both sides alike.
    scheme : LabelScheme
        What the labels mean.
    """

    name: str
    channels: Mapping[str, Volume]
    labels: Volume
    scheme: LabelScheme


def load_sample() -> Sample:
    """Load the sample that is shipped: a rendered Dixon scan of severely infiltrated thighs.

    Returns
    -------
    Sample
        It shows no one; its labels are what it was rendered from.

    Examples
    --------
    >>> import musclefm
    >>> sample = musclefm.load_sample()
    >>> sorted(sample.channels), sample.labels.array.shape
    (['fat', 'water'], (26, 104, 208))
    """
    labels, scheme = sample_labels()
    return Sample(SAMPLE_NAME, read_channels(sample_channels()).images, labels, scheme)
