"""What tests do with the module again and again."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[3]
MODULE = REPOSITORY / "MuscleFMSegment" / "MuscleFMSegment.py"
SAMPLE = REPOSITORY / "Resources" / "Samples" / "severe-thighs"
REAL_SCAN = REPOSITORY.parent / "shared" / "scans" / "dixon" / "thigh-distal.nii.gz"


def segmented(image: list[str], results: Path) -> Path:
    """Return a folder of what the library finds in an image, given as on its command line."""
    library = os.environ["MUSCLEFM_LIBRARY_PYTHON"]
    subprocess.run(
        [library, "-m", "musclefm", "segment", *image, "--out", results, "--progress", "none"],
        env=os.environ | {"PYTHONPATH": str(MODULE.parent)},
        check=True,
    )
    return results


def openResults(module: Any, session: Any, volumeNode: Any, results: Path) -> Any:
    """Open results as a run would, and return the module."""
    from MuscleFMSegmentLib.review.review_folders import ReviewFolders
    from MuscleFMSegmentLib.scene.input_volume import inputImages, writeInput

    folder = ReviewFolders().make()
    writeInput(inputImages({"water": volumeNode}), folder.input)
    shutil.copytree(results, folder.results)
    module.control.open(folder, volumeNode)
    settle(module, session)
    return module


def settle(module: Any, session: Any) -> None:
    """Let edits be measured and writes end."""
    session.process(400)
    session.waitFor(lambda: _isSettled(module))
    session.process()


def _isSettled(module: Any) -> bool:
    opened = module.control.openCase
    isBusy = module.background.isBusy or module.control.isOpening
    return not isBusy and (opened is None or opened.review.isSettled)


def rowOf(module: Any, regionId: int) -> Any:
    """Return the row of a region in the list, its muscle unfolded."""
    panel = module.control.review
    (row,) = (n for n, ids in enumerate(panel._regionIds) if regionId in ids)
    muscle = panel.ui.queueTree.topLevelItem(row)
    muscle.setExpanded(True)
    return muscle.child(panel._regionIds[row].index(regionId))


def clickRow(module: Any, session: Any, item: Any) -> None:
    """Click on a row of the list."""
    tree = module.control.review.ui.queueTree
    tree.scrollToItem(item)
    place = tree.visualItemRect(item).center()
    session.click(tree.viewport(), place.x(), place.y())


def sidedLabels(module: Any) -> np.ndarray:
    """Return a copy of the labels ``(K, J, I)`` as they are now."""
    return module.control.openCase.review.sidedVolume().array.copy()


def chooseVerified(module: Any, what: str) -> None:
    """Choose the verified part by a word of the chooser's text, Save being unfolded."""
    module.ui.saveSection.collapsed = False
    selector = module.control.saving.panel.ui.extentSelector
    (index,) = (n for n in range(selector.count) if what in selector.itemText(n))
    selector.setCurrentIndex(index)
