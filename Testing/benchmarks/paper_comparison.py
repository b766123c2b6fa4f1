"""The comparison of Casali et al. 2025 on rendered cases: two minutes of a core for each fold.

Resumes what is in its folder. What is read from the tables is written by hand below a line of
its own and kept. Run from the repository's root, with ``musclefm[benchmark,nnunet]`` installed
and ``OMP_NUM_THREADS=1``::

    python Testing/benchmarks/paper_comparison.py --work comparison \
        --out Testing/benchmarks/paper_comparison.md
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import musclefm
from musclefm.benchmark.plan import BenchmarkPlan

FROM_DEMO = {"start": "thigh-demo", "batch": 4}
PLAN = {
    "data": {"renderings": 27, "seed": 2026, "slices": 12, "pixel_mm": 3.0},
    "systems": [
        {"system": "sam-lora", "name": "sam-lora-of-thigh-demo"} | FROM_DEMO,
        {"system": "sam-decoder", "name": "sam-decoder-of-thigh-demo"} | FROM_DEMO,
        {"system": "sam-lora", "name": "small-sam", "start": "scratch", "batch": 4},
        {"system": "thigh-demo", "name": "thigh-demo-architecture", "batch": 4},
        {"system": "monai-unet", "batch": 4},
        "nnunet-2d",
        "nnunet-3d",
    ],
    "folds": 3,
    "test": 0.34,
    "validation": 0.2,
    "seed": 0,
    "budget": {"seconds": 120},
    "temperature": True,
}
GROUPS = ("early", "moderate", "severe")
READ = "## What is read from it"


def table(document: dict[str, Any], names: list[str]) -> list[str]:
    """Return rows of measures by group as Markdown."""
    heads = [f"{document['definitions'][name]}, {group}" for name in names for group in GROUPS]
    lines = [f"| System | | {' | '.join(heads)} |", "|---|---|" + "---|" * len(heads)]
    for row in document["rows"]:
        cells = [shown(row["cells"][group][name]) for name in names for group in GROUPS]
        lines.append(f"| {row['title']} | {row['kind']} | {' | '.join(cells)} |")
    return lines


def shown(cell: dict[str, float | None]) -> str:
    """Return a number with its bounds."""
    value, low, high = cell["value"], cell["low"], cell["high"]
    if value is None:
        return "-"
    return f"{value:.3f}" + ("" if low is None else f" ({low:.3f}-{high:.3f})")


def report(document: dict[str, Any]) -> str:
    """Return a page of what ``benchmark.json`` says."""
    split = document["split"]
    lines = [
        "# The paper's comparison, on renderings and a small budget",
        "",
        "**Rendered persons, small networks, a budget of minutes: a test of the command and of what"
        " it measures. It says nothing of patients, of SAM with its published weights or of any"
        " system at a full budget.** Rows from thigh-demo begin with networks that know"
        " thousands of renderings of other persons: what they lead by is that, not their design."
        " Made by `paper_comparison.py`; definitions: `Resources/Docs/benchmark.md`.",
        "",
        f"Plan: `{json.dumps(document['plan'])}`",
        "",
        f"{document['machine']}; "
        + ", ".join(f"{name} {number}" for name, number in document["versions"].items())
        + f". Test: {len(split['test'])} persons, validation: {len(split['validation'])}, folds of "
        + ", ".join(str(len(fold)) for fold in split["folds"])
        + ".",
        "",
        "Budget: each fold's steps of the optimiser, with loading and augmentation, take"
        f" {document['plan']['budget']['seconds']:g} s of one core. What a step takes was measured"
        " for each system before.",
        "",
        "Means over persons; in brackets of single folds the lowest and highest, of an ensemble the"
        " 95 % interval. ECE and NLL within 10 mm of a muscle, after the temperature.",
        "",
        *table(document, ["dsc_pooled", "dsc_mean"]),
        "",
        *table(document, ["ece", "nll"]),
        "",
        "Before the temperature:",
        "",
        *table(document, ["ece_before_temperature", "nll_before_temperature"]),
        "",
        "By the authors' definitions (after the temperature), to stand beside their table alone:",
        "",
        *table(document, ["dsc_pooled_over_cases", "ece_boxes_flipped", "nll_boxes"]),
        "",
        "Printed by Casali et al. 2025 on 76 patients: DSC of SAM encoder/decoder 0.925, 0.886,"
        " 0.857, of nnU-Net 3D comparable, 0.883, 0.850; ECE of SAM -, 3.6 %, 3.3 %, of nnU-Net 3D"
        " -, 5.1 %, 7.1 %.",
        "",
        "Processor time of a fold holds what the budget leaves out, too: start, looks at the"
        " fold, states on the disk.",
        "",
        "| System | steps of a fold | processor time of each fold, s | temperature of the"
        " ensemble | fold 0, sha256 |",
        "|---|---|---|---|---|",
    ]
    for system in document["systems"]:
        seconds = ", ".join(
            "resumed" if fold["processor_seconds"] is None else f"{fold['processor_seconds']:.0f}"
            for fold in system["training"]
        )
        lines.append(
            f"| {system['title']} | {system['steps']} | {seconds} |"
            f" {system['temperatures']['ensemble']:.3f} | `{system['sha256']['fold-0'][:16]}` |"
        )
    lines += ["", "Ensembles against the first row's, p after Holm's correction:", ""]
    lines += ["| System | score | difference | p |", "|---|---|---|---|"]
    lines += [
        f"| {system['title']} | {row['name']} | {row['difference']['mean']:+.3f} | {row['p']:.3g} |"
        for system in document["systems"]
        for row in system["against_the_first"]
        if row["name"] in ("pooled_dice", "ece", "nll")
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run the comparison, and write what was measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="the benchmark's folder")
    parser.add_argument("--out", type=Path, required=True, help="Markdown to write")
    arguments = parser.parse_args()
    plan = BenchmarkPlan.model_validate(PLAN)
    musclefm.run_benchmark(plan, arguments.work, device="cpu", progress=print)
    document = json.loads((arguments.work / "benchmark.json").read_text("utf-8"))
    known = arguments.out.read_text("utf-8") if arguments.out.is_file() else ""
    arguments.out.write_text(report(document) + "\n" + READ + known.partition(READ)[2], "utf-8")


if __name__ == "__main__":
    main()
