"""What a case needs stands in the panel before it is run, and weights are downloaded there."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from file_server import FileServer, serving
from playing import MODULE

CONTENT = os.urandom(3_000_000)
FIRST = 1 << 20

# A library that offers one small file, and takes the shipped model for what is in it.
LIBRARY = """
import json, shutil, sys
from musclefm.storage.download import RemoteFile
from musclefm.models.imports import pretrained, sam
from musclefm.models.registry import find_bundle, shipped_models_folder
from musclefm.storage.user_data import user_data_folder

remote = RemoteFile({address!r}, "tiny.pth", {size}, {sha256!r})
known = sam.OfficialCheckpoint("sam-tiny", "Tiny SAM", "https://example.org/tiny", remote)
sam.OFFICIAL_CHECKPOINTS = (known,)

def import_checkpoint(path, name, **options):
    assert path.read_bytes()[:1]
    folder = user_data_folder() / "models" / name
    shutil.copytree(shipped_models_folder() / "thigh-demo", folder)
    document = json.loads((folder / "model.json").read_text())
    document |= {{"name": name, "title": known.title, "role": "start"}}
    (folder / "model.json").write_text(json.dumps(document))
    return find_bundle(name)

pretrained.import_checkpoint = import_checkpoint
from musclefm.cli.main import main
sys.exit(main())
"""


@pytest.fixture(autouse=True)
def settings(session: Any) -> Iterator[Any]:
    import qt

    settings = qt.QSettings()
    settings.remove("MuscleFMSegment")
    yield settings
    settings.remove("MuscleFMSegment")


@pytest.fixture
def server() -> Iterator[FileServer]:
    with serving(FileServer(CONTENT)) as server:
        yield server


@pytest.fixture
def panel(session: Any, server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the module, whose library offers the file of the server."""
    script = tmp_path / "library.py"
    digest = hashlib.sha256(CONTENT).hexdigest()
    script.write_text(LIBRARY.format(address=server.address, size=len(CONTENT), sha256=digest))
    python = tmp_path / "python"
    library = os.environ["MUSCLEFM_LIBRARY_PYTHON"]
    python.write_text(f'#!/bin/sh\nshift 2\nexec "{library}" "{script}" "$@"\n')
    python.chmod(0o755)
    monkeypatch.setenv("MUSCLEFM_LIBRARY_PYTHON", str(python))
    panel = session.openModule(MODULE).panel
    session.waitFor(lambda: panel.segment.hasInventory, 120)
    return panel


def choose(panel: Any, session: Any, name: str) -> None:
    selector = panel.segment.ui.modelSelector
    selector.setCurrentIndex(selector.findData(name))
    selector.activated.emit(selector.currentIndex)
    session.process()


def kept(home: Path) -> bytes:
    return (home / "downloads" / "tiny.pth.part").read_bytes()


def test_what_a_volume_needs_is_shown_and_an_earlier_run_is_believed(
    panel: Any, session: Any, water: Any
) -> None:
    ui = panel.segment.ui
    choose(panel, session, "thigh-demo")
    ui.inputSelector.setCurrentNode(water)
    session.process()
    (cpu,) = (entry for entry in panel.segment._devices if entry["name"] == "cpu")
    panel.segment.showChoice("thigh-demo", "cpu")
    panel._follow()
    assert "No GPU is used. Expect about" in ui.deviceLabel.text
    guessed = ui.deviceLabel.text
    panel.inventory.noteRun(600.0, 6)
    assert "about 10 min" in ui.deviceLabel.text != guessed
    panel.inventory.showDemand(12)
    assert "about 20 min" in ui.deviceLabel.text
    # Another device knows nothing of it.
    gpu = {"name": "cuda:0", "title": "GPU", "total_bytes": 8e9, "free_bytes": 6e9, "cores": None}
    models, downloads = list(panel.segment._models.values()), ()
    panel.segment.showInventory(models, [gpu, cpu], downloads)
    panel.segment.showChoice("thigh-demo", "cuda:0")
    panel.inventory.showDemand(12)
    assert "min" not in ui.deviceLabel.text and "GB of GPU memory" in ui.deviceLabel.text
    assert "Only" not in ui.deviceLabel.text
    panel.segment.showInventory(models, [gpu | {"free_bytes": 1e8}, cpu], downloads)
    panel.inventory.showDemand(12)
    assert "Only 0.1 GB are free" in ui.deviceLabel.text
    # Another Slicer of the same machine believes it, too.
    session.closeModules()
    again = session.openModule(MODULE).panel
    again.segment.showInventory(models, [cpu], downloads)
    again.segment.showChoice("thigh-demo", "cpu")
    again.inventory.showDemand(6)
    assert "about 10 min" in again.segment.ui.deviceLabel.text


def test_a_run_leaves_its_time(
    module: Any, session: Any, water: Any, settings: Any, whileRunning: Any
) -> None:
    session.waitFor(lambda: module.segment.hasInventory, 120)
    module.segment.ui.inputSelector.setCurrentNode(water)
    session.process()
    session.click(module.segment.ui.applyButton)
    whileRunning()
    (key,) = (key for key in settings.allKeys() if "/Run/" in key)
    seconds, slices = settings.value(key).split()
    assert slices == "6" and float(seconds) > 0


def test_a_download_is_shown_stopped_resumed_and_chosen(
    panel: Any, session: Any, server: FileServer, home: Path, water: Any
) -> None:
    ui = panel.segment.ui
    ui.inputSelector.setCurrentNode(water)
    before = panel.segment.model
    assert not ui.downloadButton.visible
    choose(panel, session, "sam-tiny")
    assert "Apache-2.0" in ui.cardLabel.text and "https://example.org/tiny" in ui.cardLabel.text
    assert "3 MB" in ui.cardLabel.text and ui.downloadButton.text == (
        f"Download 3 MB from {server.address.split('/')[2]}"
    )
    assert not ui.applyButton.enabled and "ownload" in ui.applyButton.toolTip
    assert server.asked == [], "choosing is no yes"
    # Nothing more comes after the first megabyte, until it is stopped.
    server.cuts = [FIRST] + 20 * [0]
    session.click(ui.downloadButton)
    session.waitFor(lambda: ui.progressLabel.text.startswith("Downloading, 1 of 3 MB"), 120)
    assert not ui.modelSelector.enabled and not ui.applyButton.enabled
    session.click(ui.downloadButton)
    session.waitFor(lambda: not panel.download.isRunning, 60)
    assert "kept" in panel.messages.text and kept(home) == CONTENT[:FIRST]
    assert ui.modelSelector.enabled and panel.segment.model == ""
    server.cuts = []
    server.asked.clear()
    session.click(ui.downloadButton)
    session.waitFor(lambda: panel.segment.model == "sam-tiny", 180)
    assert server.asked == [f"{FIRST}-"]
    assert not panel.messages.text and not ui.downloadButton.visible
    assert panel._parameters.modelName == "sam-tiny"
    assert "Tiny SAM" in ui.modelSelector.currentText and not ui.progressFrame.visible
    # Weights that were never trained on muscles segment nothing.
    assert not ui.applyButton.enabled and "trained" in ui.applyButton.toolTip
    choose(panel, session, before)
    assert ui.applyButton.enabled


def test_a_file_with_other_bytes_is_refused_and_the_choice_stays(
    panel: Any, session: Any, server: FileServer, home: Path
) -> None:
    server.content = CONTENT[:-1] + bytes([CONTENT[-1] ^ 1])
    choose(panel, session, "sam-tiny")
    session.click(panel.segment.ui.downloadButton)
    session.waitFor(lambda: not panel.download.isRunning, 120)
    assert "not the known tiny.pth" in panel.messages.text
    assert not (home / "models").exists() and panel.segment.ui.downloadButton.enabled
