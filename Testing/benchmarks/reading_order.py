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
from collections.abc import Iterable, Sequence
from pathlib import Path

import matplotlib
import numpy as np
import numpy.typing as npt
from severe_cases import SegmentedRendering, segmented, unseen_renderings

from musclefm.models.registry import find_bundle
from musclefm.review.findings import FlaggedRegion
from musclefm.review.queue import ReviewQueue

matplotlib.use("Agg")
import matplotlib.pyplot as plt

Look = tuple[int, int]
"""A slice (index along the leg) and a muscle with its side (sided label value)."""

_RANDOM_ORDERS = 20
_SHARES = (0.1, 0.2, 0.3, 0.5)


def wrong_by_look(case: SegmentedRendering) -> dict[Look, npt.NDArray[np.intp]]:
    """Return the wrong voxels (flat indices) that each possible look finds."""
    model, reference = case.sided_model, case.sided_reference
    looks = {}
    for k in range(len(model)):
        for value in np.union1d(np.unique(model[k]), np.unique(reference[k])).tolist():
            if value:
                concerned = (model[k] == value) | (reference[k] == value)
                found = np.flatnonzero(concerned & (model[k] != reference[k]))
                looks[k, value] = found + k * model[k].size
    return looks


def order_of_regions(
    case: SegmentedRendering, regions: Iterable[FlaggedRegion], looks: Iterable[Look]
) -> list[Look]:
    """Return the looks region by region, and then what is left from one end."""
    muscles = len(case.maps.scheme.labels)
    order: dict[Look, None] = {}
    possible = sorted(looks)
    for region in regions:
        sided = {label + (muscles if region.side == "left" else 0) for label in region.label_ids}
        first, last = region.slices
        for look in possible:
            if first <= look[0] <= last and look[1] in sided:
                order.setdefault(look)
    return list(dict.fromkeys([*order, *possible]))


def found_shares(
    order: Sequence[Look], looks: dict[Look, npt.NDArray[np.intp]]
) -> npt.NDArray[np.float64]:
    """Return the share of all wrong voxels that is found, after each look."""
    seen: set[int] = set()
    counts = []
    for look in order:
        seen.update(looks[look].tolist())
        counts.append(len(seen))
    return np.array(counts) / max(len(seen), 1)


def curves(case: SegmentedRendering) -> dict[str, npt.NDArray[np.float64]]:
    """Return the found share after 0, 1 to 100 percent of the looks, by way of reading."""
    looks = wrong_by_look(case)
    rng = np.random.default_rng(case.seed)
    possible = sorted(looks)

    def at(order: Sequence[Look]) -> npt.NDArray[np.float64]:
        shares = found_shares(order, looks)
        return np.interp(
            np.linspace(0, 1, 101), np.arange(len(order) + 1) / len(order), [0.0, *shares]
        )

    walk = [entry.region for entry in ReviewQueue(case.regions.queue).entries]
    shuffled = [
        at([possible[i] for i in rng.permutation(len(possible))]) for _ in range(_RANDOM_ORDERS)
    ]
    return {
        "queue": at(order_of_regions(case, walk, looks)),
        "by region": at(order_of_regions(case, case.regions.queue, looks)),
        "slice by slice": at(possible),
        "random": np.mean(shuffled, axis=0),
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
