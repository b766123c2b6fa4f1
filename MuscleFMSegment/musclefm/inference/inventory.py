"""What can segment on this computer, and on what: models and devices, for other programs."""

from __future__ import annotations

import os
import time

import torch
from pydantic import BaseModel, ConfigDict

from musclefm.inference.device import choose_runtime
from musclefm.inference.predictor import EnsemblePredictor
from musclefm.models.bundle import Bundle
from musclefm.models.registry import ListedBundle, former_version, list_bundles
from musclefm.progress import silent

_THIGHS = 2
_RUNS = 3


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
    """

    model_config = ConfigDict(frozen=True)

    schema_version: int = 1
    models: tuple[ModelEntry, ...]
    devices: tuple[DeviceEntry, ...]


def take_inventory() -> Inventory:
    """Return the models that are installed and the devices that PyTorch can use."""
    return Inventory(
        models=tuple(_model(listed) for listed in list_bundles()), devices=(*_gpus(), _cpu())
    )


def seconds_per_slice(bundle: Bundle, device: str = "cpu") -> float:
    """Measure how long an ensemble takes for one slice of two thighs.

    One member is run on one tile, and the fastest of a few runs counts: the first one sets
    things up, and other programs may disturb another.

    Parameters
    ----------
    bundle : Bundle
        The ensemble.
    device : str
        As for :func:`musclefm.inference.device.choose_runtime`.

    Raises
    ------
    MuscleFMError
        The model cannot segment, or the device is not there.
    """
    bundle.require_ready()
    manifest = bundle.manifest
    one = manifest.model_copy(update={"members": manifest.members[:1]})
    predictor = EnsemblePredictor(
        Bundle(bundle.folder, one, bundle.scheme), choose_runtime(device), silent
    )
    size = manifest.architecture.input_size
    tile = torch.zeros(1, manifest.architecture.input_channels, size, size)
    taken = []
    for _ in range(_RUNS):
        begun = time.perf_counter()
        predictor.probabilities(tile).cpu()
        taken.append(time.perf_counter() - begun)
    tiles = _THIGHS if manifest.input.framing.kind == "thigh" else 1
    return min(taken) * tiles * len(manifest.members)


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
