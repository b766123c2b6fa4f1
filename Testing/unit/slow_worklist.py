"""Segments a worklist whose cases take as long as they are asked to; run as a script.

Arguments: folders of the scans, of the worklist and of the model, and a file. Every case
that is begun adds the line "PROCESS CASE" to it, and lasts until FILE.CASE is there.
"""

import os
import sys
import time
from pathlib import Path

from musclefm.inference.device import choose_runtime
from musclefm.models.bundle import open_bundle
from musclefm.pipeline import process_worklist as processing
from musclefm.pipeline.worklist import Worklist
from musclefm.progress import silent
from musclefm.results.folder import staged_results, write_provenance
from musclefm.results.tables import RegionsDocument
from musclefm.review.regions import DEFAULT_RULE

REGIONS = RegionsDocument(
    label_scheme="thigh-11",
    rule=DEFAULT_RULE,
    expected_wrong_voxels=1.0,
    share_in_regions=0.0,
    regions=(),
).model_dump_json()


def write_empty_results(folder, model_sha256):
    """Write what makes a folder count as results of a model."""
    model = {"sha256": model_sha256, "label_scheme": "thigh-11"}
    given = {"sha256": "b" * 64, "spacing_ijk_mm": [1.0, 1.0, 1.0]}
    with staged_results(folder) as staged:
        (staged / "regions.json").write_text(REGIONS)
        write_provenance(staged, {"model": model, "input": given})


def slow_segment(journal, bundle):
    """Return what stands for segmenting a case."""

    def segment(case, folder, *others):
        name = case.path.stem
        line = os.open(journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(line, f"{os.getpid()} {name}\n".encode())
        os.close(line)
        while not journal.with_name(f"{journal.name}.{name}").exists():
            time.sleep(0.02)
        write_empty_results(folder / "results", bundle.sha256)

    return segment


def process_slowly(journal, worklist, case, bundle, runtime, progress):
    """Do as ``process_case`` with a case that takes as long as it is asked to."""
    processing._segment = slow_segment(journal, bundle)
    return processing.process_case(worklist, case, bundle, runtime, progress)


def main(scans, out, model, journal):
    """Segment the worklist."""
    bundle = open_bundle(model)
    processing._segment = slow_segment(journal, bundle)
    worklist = Worklist(scans, out)
    processing.process_worklist(worklist, bundle, choose_runtime("cpu", "fp32"), silent)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
