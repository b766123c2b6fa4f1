"""How fast the scene part of the Slicer module is, at the size that the project promises.

A made case of 512 x 512 x 60 voxels with 12 muscles on 2 sides is loaded into
Slicer's real scene with its three slice views (400 x 400, drawn by VTK on the
processor), walked through and edited. Times are medians of the processor's, so that
a busy machine does not change what they are of; those of jump and edit hold the
drawing of all three views.

Run from the repository's root with an interpreter that has slicer-core::

    PYTHONPATH=MuscleFMSegment python Testing/benchmarks/slicer_scene.py
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "slicer"), str(HERE.parent / "slicer" / "scene")]

import harness.stand_ins.i18n  # noqa: E402

sys.modules["slicer.i18n"] = harness.stand_ins.i18n
from harness.scene import startScene  # noqa: E402
from made_results import addVolume, made_image, made_results  # noqa: E402
from offscreen import ORIENTATIONS, OffscreenSliceView  # noqa: E402
from segment_editor import SegmentEditor  # noqa: E402

from musclefm.results.case import read_results  # noqa: E402
from musclefm.review.changes import find_changes  # noqa: E402
from musclefm.review.measures import MuscleTally  # noqa: E402
from musclefm.volumes.grid import Grid  # noqa: E402
from MuscleFMSegmentLib.scene.editing import Editing  # noqa: E402
from MuscleFMSegmentLib.scene.input_volume import inputImages, writeInput  # noqa: E402
from MuscleFMSegmentLib.scene.labels import applySidedLabels, sidedLabels  # noqa: E402
from MuscleFMSegmentLib.scene.outlines import showStatuses  # noqa: E402
from MuscleFMSegmentLib.scene.region_marker import RegionMarker  # noqa: E402
from MuscleFMSegmentLib.scene.results import addResults, heatmapImages, removeCase  # noqa: E402
from MuscleFMSegmentLib.scene.slice_views import SliceViews  # noqa: E402
from MuscleFMSegmentLib.scene.uncertainty.heatmap import Heatmap  # noqa: E402

LARGE = Grid(
    shape=(60, 512, 512),
    spacing=(0.6, 0.6, 5.0),
    origin=(-153.3, -153.3, -147.5),
    direction=(1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0),
)


def timed(action: Callable[[], object]) -> float:
    """Return the seconds of the processor that an action takes."""
    start = time.process_time()
    action()
    return time.process_time() - start


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="musclefm-scene-"))
    maps = made_results(folder / "results", LARGE)
    application = startScene(folder / "slicer")
    scene = application.scene
    views = [OffscreenSliceView(application, name) for name in ORIENTATIONS]
    volumeNode = addVolume(scene, made_image(maps))
    del maps
    sliceViews = SliceViews(scene, application.applicationLogic)
    sliceViews.showVolume(volumeNode)

    def draw() -> None:
        for view in views:
            view.render()

    draw()
    reads, adds = [], []
    for _ in range(3):
        start = time.process_time()
        results = read_results(folder / "results")
        heatmaps = heatmapImages(results)
        reads.append(time.process_time() - start)
        start = time.process_time()
        labels = results.sided_labels
        case = addResults(scene, folder / "results", results, heatmaps, labels, volumeNode)
        adds.append(time.process_time() - start)
        if len(adds) < 3:
            removeCase(scene, case)
    print(
        f"results to scene             {median(reads) + median(adds):6.2f} s  (wanted: under 3 s)"
    )
    print(f"    on the main thread       {median(adds):6.2f} s")
    first = timed(draw)
    print(f"first drawing                {first:6.2f} s")

    heatmap, marker = Heatmap(scene, case.heatmapNodes), RegionMarker(scene)
    heatmap.setVisible(True)
    editing = Editing(scene, case)

    def go(region) -> None:
        marker.show(case, region)
        sliceViews.showRegion(case, region)
        editing.selectMuscle(region.side, region.label_ids[0])

    regions = [entry.region for entry in case.queue.entries] * 3
    steps = [(timed(lambda region=region: go(region)), timed(draw)) for region in regions]
    jump, drawing = (median(times) for times in zip(*steps, strict=True))
    print(f"jump to a region             {1000 * (jump + drawing):6.0f} ms (wanted: under 150 ms)")
    print(f"    of which drawing         {1000 * drawing:6.0f} ms")

    editor = SegmentEditor(application, editing.editorNode, case)
    region = case.queue.entries[0].region
    tally, before = MuscleTally(case.scheme, len(case.modelLabels)), case.modelLabels
    strokes, reads, refreshes = [], [], []
    for number in range(5):
        where = case.regions == region.id
        where[: region.slices[0] + number] = False
        strokes.append(timed(lambda where=where: editor.apply(where, "erase")))
        start = time.process_time()
        labels = sidedLabels(case.segmentationNode, case.scheme, volumeNode)
        reads.append(time.process_time() - start)
        start = time.process_time()
        changed = find_changes(case.modelLabels, labels, case.regions).regions
        case.queue.follow_changes(changed)
        for k in range(len(labels)):
            if not np.array_equal(labels[k], before[k]):
                tally.count(k, labels[k], case.fatFraction[k])
        tally.measures(case.grid.voxel_volume_mm3)
        before = labels
        showStatuses(case.segmentationNode, case.scheme, case.queue.entries)
        refreshes.append(time.process_time() - start)
        draw()
    print(f"an edit by Slicer's logic    {1000 * median(strokes):6.0f} ms")
    print(f"reading the labels back      {1000 * median(reads):6.0f} ms (wanted: under 300 ms)")
    together = median(reads) + median(refreshes)
    print(f"table after an edit          {1000 * together:6.0f} ms (wanted: under 1 s)")
    recovery = timed(
        lambda: applySidedLabels(case.segmentationNode, case.scheme, volumeNode, case.modelLabels)
    )
    print(f"recovery of saved labels     {1000 * recovery:6.0f} ms")
    export = timed(lambda: writeInput(inputImages({"image": volumeNode}), folder))
    print(f"handing the volume over      {1000 * export:6.0f} ms (wanted: under 100 ms)")


if __name__ == "__main__":
    main()
