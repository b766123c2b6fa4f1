"""What can segment on this computer, and on what: models and devices, for other programs."""

from __future__ import annotations

import os

import torch
from pydantic import BaseModel, ConfigDict

from musclefm.inference.demand import gpu_bytes, operations_per_slice
from musclefm.models.imports.sam import OFFICIAL_CHECKPOINTS
from musclefm.models.registry import ListedBundle, former_version, list_bundles


class ModelEntry(BaseModel):
    """A model as a chooser shows it.

    Attributes
    ----------
    name, origin, fault : str
        As in :class:`musclefm.models.registry.ListedBundle`.
    usable : bool
        Whether it can be asked for by its name and can segment.
    installed_version : str
        Id of the version that is in use, ``"base"`` for the first one; empty where it
        is unknown.
    former_version : str
        Id of the version that going back leads to; empty where there is none.
    title, version, description, training_data, licence, intended_use : str
        Its card; empty where it is damaged.
    scheme, scheme_title : str
        Its label scheme.
    muscles, channels : tuple of str
        What it outlines, and the images that it needs.
    members : int
        Networks in the ensemble.
    metrics : dict of str to float
        Of the ensemble.
    sha256 : str
        Of the bundle.
    operations_per_slice, gpu_bytes : float
        What a case needs, see :mod:`musclefm.inference.demand`.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    origin: str
    fault: str
    usable: bool
    installed_version: str
    former_version: str
    title: str = ""
    version: str = ""
    description: str = ""
    training_data: str = ""
    licence: str = ""
    intended_use: str = ""
    scheme: str = ""
    scheme_title: str = ""
    muscles: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    members: int = 0
    metrics: dict[str, float] = {}
    sha256: str = ""
    operations_per_slice: float = 0.0
    gpu_bytes: float = 0.0


class DownloadEntry(BaseModel):
    """Pretrained weights that ``musclefm models download`` gets, as a chooser shows them.

    Attributes
    ----------
    name : str
        Of the download, and of the model that it becomes.
    title : str
        For people.
    bytes : int
        Size of the download.
    host : str
        The server that it comes from.
    licence : str
        Of the weights.
    page : str
        Address where its authors tell of it and of its licence.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    title: str
    bytes: int
    host: str
    licence: str
    page: str


class DeviceEntry(BaseModel):
    """A device as a chooser shows it.

    Attributes
    ----------
    name : str
        For ``--device``.
    title : str
        For people, e.g. ``"NVIDIA H200"``.
    total_bytes, free_bytes : int or None
        Memory of a GPU; None for the CPU.
    cores : int or None
        Of the CPU that this process may use; None for a GPU.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    title: str
    total_bytes: int | None = None
    free_bytes: int | None = None
    cores: int | None = None


class Inventory(BaseModel):
    """All models and devices.

    Attributes
    ----------
    schema_version : int
        Raised when a field changes its meaning.
    models : tuple of ModelEntry
        Shipped ones first.
    devices : tuple of DeviceEntry
        GPUs first; the CPU is always there.
    downloads : tuple of DownloadEntry
        Those that are not among the models yet.
    """

    model_config = ConfigDict(frozen=True)

    schema_version: int = 1
    models: tuple[ModelEntry, ...]
    devices: tuple[DeviceEntry, ...]
    downloads: tuple[DownloadEntry, ...] = ()


def take_inventory() -> Inventory:
    """Return the models that are installed or can be had, and the devices of PyTorch."""
    models = tuple(_model(listed) for listed in list_bundles())
    there = {model.name for model in models}
    return Inventory(
        models=models,
        devices=(*_gpus(), _cpu()),
        downloads=tuple(
            DownloadEntry(
                name=entry.name,
                title=entry.title,
                bytes=entry.remote.bytes,
                host=entry.remote.host,
                licence=entry.licence,
                page=entry.page,
            )
            for entry in OFFICIAL_CHECKPOINTS
            if entry.name not in there
        ),
    )


def _model(listed: ListedBundle) -> ModelEntry:
    if listed.bundle is None:
        return ModelEntry(
            name=listed.name,
            origin=listed.origin,
            fault=listed.fault,
            usable=False,
            installed_version=listed.version,
            former_version=former_version(listed.name),
        )
    manifest, scheme = listed.bundle.manifest, listed.bundle.scheme
    return ModelEntry(
        name=listed.name,
        origin=listed.origin,
        fault=listed.fault,
        usable=manifest.ready and not listed.fault,
        installed_version=listed.version,
        former_version=former_version(listed.name),
        title=manifest.title,
        version=manifest.version,
        description=manifest.description,
        training_data=manifest.training_data,
        licence=manifest.licence,
        intended_use=manifest.intended_use,
        scheme=scheme.name,
        scheme_title=scheme.title,
        muscles=tuple(label.name for label in scheme.labels),
        channels=manifest.input.channels,
        members=len(manifest.members),
        metrics=manifest.metrics,
        sha256=listed.bundle.sha256,
        operations_per_slice=operations_per_slice(manifest),
        gpu_bytes=gpu_bytes(manifest),
    )


def _gpus() -> tuple[DeviceEntry, ...]:
    entries = []
    for index in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(index)
        entries.append(
            DeviceEntry(
                name=f"cuda:{index}",
                title=torch.cuda.get_device_name(index),
                total_bytes=total,
                free_bytes=free,
            )
        )
    return tuple(entries)


def _cpu() -> DeviceEntry:
    # A container or a batch system may allow fewer cores than the computer has.
    allowed = getattr(os, "sched_getaffinity", None)
    cores = len(allowed(0)) if allowed else os.cpu_count() or 1
    return DeviceEntry(name="cpu", title="CPU", cores=cores)
