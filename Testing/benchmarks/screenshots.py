"""Makes the pictures of the README: the demo, and one real scan.

Run from the repository's root, with musclefm installed::

    python Testing/benchmarks/screenshots.py --scans ../shared/scans
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

from musclefm.demo.sample import sample_channels
from musclefm.inference.device import choose_runtime
from musclefm.models.registry import find_bundle
from musclefm.pipeline.segment import segment_case
from musclefm.progress import silent
from musclefm.results.report.pictures import overview_png
from musclefm.volumes.channels import read_channels

PICTURES = Path("Resources/Screenshots")


def picture(name: str, paths: Mapping[str, Path], folder: Path, model: str) -> None:
    """Segment a case and write its overview."""
    case = segment_case(read_channels(paths), find_bundle(model), choose_runtime(), silent)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.png").write_bytes(overview_png(*case.report.args))
    print(f"{name}: {len(case.regions)} regions", *case.notes, sep="\n  ")


def main() -> None:
    """Make all pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scans", type=Path, help="folder of real scans")
    parser.add_argument("--out", type=Path, default=PICTURES)
    parser.add_argument("--model", default="thigh-demo")
    parser.add_argument("--all", action="store_true", help="every real thigh scan, not only one")
    arguments = parser.parse_args()
    picture("demo", sample_channels(), arguments.out, arguments.model)
    if arguments.scans:
        dixon = arguments.scans / "dixon"
        scans = {"real-scan": dixon / "thigh-distal.nii.gz"}
        if arguments.all:
            scans |= {name: dixon / f"{name}.nii.gz" for name in ("station6-midthigh",)}
            scans["mese"] = arguments.scans / "thigh-mese-dicom"
        for name, path in scans.items():
            picture(name, {"image": path}, arguments.out, arguments.model)


if __name__ == "__main__":
    main()
