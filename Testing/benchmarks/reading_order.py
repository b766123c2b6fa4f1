"""Whether the queue finds wrong voxels sooner than other ways through a case.

A reader who knows the reference looks at rendered severe cases of anatomies that
the shipped ensemble never saw. One look is at one muscle of one side in one
slice, and finds all wrong voxels there: those that the model or the reference
gives to the muscle, where both differ. The queue's order looks at the slices and
muscles of region after region, muscle by muscle, and then at what is left from one
end; by region takes the regions by their expected wrong voxels alone; slice by
slice looks at all muscles of one slice after another; a random order is the mean
of several.

Run from the repository's root, with musclefm installed::

    python Testing/benchmarks/reading_order.py --anatomies ../shared/anatomies \
        --out Testing/benchmarks
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib
import numpy as np
import numpy.typing as npt
from severe_cases import SegmentedRendering, segmented, unseen_renderings

from musclefm.evaluation.review_order import RegionLooks, possible_looks, review_order
from musclefm.models.registry import find_bundle
from musclefm.review.findings import FlaggedRegion
from musclefm.review.queue import ReviewQueue

matplotlib.use("Agg")
import matplotlib.pyplot as plt

_SHARES = (0.1, 0.2, 0.3, 0.5)


def curves(case: SegmentedRendering) -> dict[str, npt.NDArray[np.float64]]:
    """Return the found share after 0, 1 to 100 percent of the looks, by way of reading."""
    muscles = len(case.maps.scheme.labels)

    def looks_of(region: FlaggedRegion) -> RegionLooks:
        left = muscles if region.side == "left" else 0
        return (*region.slices, {label_id + left for label_id in region.label_ids})

    looks = possible_looks(case.sided_model, case.sided_reference)
    walk = [entry.region for entry in ReviewQueue(case.regions.queue).entries]
    order = review_order(looks, map(looks_of, walk), case.seed)
    return {
        "queue": order.queue,
        "by region": review_order(looks, map(looks_of, case.regions.queue), case.seed).queue,
        "slice by slice": order.slice_by_slice,
        "random": order.random,
    }


def table(ways: dict[str, npt.NDArray[np.float64]]) -> str:
    """Return the found shares ``(cases, 101)`` of each way as Markdown."""
    queue, others = ways["queue"], [way for way in ways if way != "queue"]
    headings = ["Looks", *ways, *(f"queue ahead of {way}" for way in others)]
    rows = [headings, ["---"] * len(headings)]
    for share in _SHARES:
        at = round(share * 100)
        means = [f"{found[:, at].mean():.2f}" for found in ways.values()]
        ahead = [f"{(queue[:, at] > ways[way][:, at]).sum()} of {len(queue)}" for way in others]
        rows.append([f"{share:.0%}", *means, *ahead])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def draw(ways: dict[str, npt.NDArray[np.float64]], path: Path) -> None:
    """Plot the mean over cases of each way."""
    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    for way, found in ways.items():
        axes.plot(np.arange(101), 100 * found.mean(axis=0), label=way)
    axes.set(xlabel="looks [%]", ylabel="wrong voxels found [%]", xlim=(0, 100), ylim=(0, 100))
    axes.legend()
    figure.savefig(path, dpi=100)


def main() -> None:
    """Read all cases in all ways, and write a table and a plot."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--anatomies", type=Path, required=True)
    parser.add_argument("--model", default="thigh-demo")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    renderings = unseen_renderings(arguments.anatomies)
    cases = [curves(case) for case in segmented(renderings, find_bundle(arguments.model))]
    ways = {way: np.stack([case[way] for case in cases]) for way in cases[0]}
    text = "\n\n".join(
        (
            "# Finding wrong voxels: the queue against other ways through a case",
            f"{len(cases)} rendered severe cases of anatomies that the ensemble never saw. A look "
            "is at one muscle of one side in one slice. Share of all wrong voxels found after a "
            "share of all looks, mean over cases; and in how many cases the queue found more.",
            table(ways),
        )
    )
    print(text)
    (arguments.out / "reading_order.md").write_text(text + "\n", "utf-8")
    draw(ways, arguments.out / "reading_order.png")


if __name__ == "__main__":
    main()
