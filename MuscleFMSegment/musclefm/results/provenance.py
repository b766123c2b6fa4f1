"""What made a result: versions, hashes and parameters, and no patient identity."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timezone
from importlib.metadata import version

from musclefm import __version__
from musclefm.inference.device import Runtime
from musclefm.models.bundle import Bundle
from musclefm.review.regions import FlagRule
from musclefm.volumes.channels import Channels
from musclefm.volumes.reading import voxels_sha256

_LIBRARIES = ("torch", "segment-anything", "numpy", "scipy", "SimpleITK")


def provenance(
    channels: Channels, bundle: Bundle, runtime: Runtime, rule: FlagRule
) -> Mapping[str, object]:
    """Return what ``provenance.json`` holds.

    Parameters
    ----------
    channels : Channels
        The input; only hashes of its voxels and geometry are kept.
    bundle : Bundle
        The ensemble.
    runtime : Runtime
        Device and precision.
    rule : FlagRule
        What was flagged.
    """
    manifest = bundle.manifest
    own = ("nnunetv2",) if manifest.architecture.kind == "nnunet" else ()
    return {
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "versions": {
            "musclefm": __version__,
            "python": platform.python_version(),
            **{name: version(name) for name in (*_LIBRARIES, *own)},
        },
        "model": {
            "name": manifest.name,
            "version": manifest.version,
            "sha256": bundle.sha256,
            "members": len(manifest.members),
            "label_scheme": manifest.scheme,
            "intended_use": manifest.intended_use,
        },
        "parameters": {
            "device": runtime.device.type,
            "precision": "bf16" if runtime.bf16 else "fp32",
            "temperature": manifest.temperature,
            "flag_rule": asdict(rule),
        },
        "input": {
            "sha256": channels.sha256,
            "channels": sorted(channels.images),
            # By these the very images are found again among others of their DICOM series.
            "voxels_sha256": {
                name: voxels_sha256(image) for name, image in channels.images.items()
            },
            "shape_kji": list(channels.grid.shape),
            "spacing_ijk_mm": list(channels.grid.spacing),
            "ijk_to_ras": channels.grid.ijk_to_ras.tolist(),
        },
    }
