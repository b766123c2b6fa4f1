"""A trained nnU-Net of the user's runs in the module like any other model."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

from playing import MODULE

TINY_NNUNET = """
import sys
from pathlib import Path
from made_nnunet import plans_of, write_results
from musclefm.models.imports.checkpoint import import_checkpoint
from musclefm.labels.scheme import load_scheme
results = write_results(Path(sys.argv[1]), plans_of(), load_scheme("thigh-11"))
import_checkpoint(results, "unet", scheme="thigh-11")
"""


def test_an_imported_nnunet_segments(
    session: Any, home: Path, water: Any, whileRunning: Any, tmp_path: Path
) -> None:
    folders = (MODULE.parent, Path(__file__).parents[2] / "unit")
    subprocess.run(
        [os.environ["MUSCLEFM_LIBRARY_PYTHON"], "-c", TINY_NNUNET, str(tmp_path / "results")],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, folders))},
        check=True,
    )
    panel = session.openModule(MODULE).panel
    session.waitFor(lambda: panel.segment.hasInventory)
    panel.segment.showChoice("unet", "cpu")
    panel.segment.ui.inputSelector.setCurrentNode(water)
    session.process()
    assert panel.segment.model == "unet"
    session.click(panel.segment.ui.applyButton)
    whileRunning()
    assert not panel.messages.text
    case = panel.control.openCase.review.case
    assert case.provenance["model"]["name"] == "unet" and case.modelLabels.any()
    assert "nnunetv2" in case.provenance["versions"]
