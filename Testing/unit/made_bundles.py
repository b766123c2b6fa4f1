"""Bundles that are the same but for what their manifest says."""

import json
import shutil
from pathlib import Path


def variant(bundle: Path, folder: Path, **said: object) -> Path:
    """Copy a bundle and change what its ``model.json`` says, e.g. ``version="2"``."""
    shutil.copytree(bundle, folder)
    manifest = folder / "model.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | said))
    return folder


def damage(folder: Path) -> None:
    """Flip a bit in a bundle's weights."""
    path = folder / "member-0.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
