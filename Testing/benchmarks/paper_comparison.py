"""The comparison of Casali et al. 2025 on rendered cases, with one small equal budget a row.

Resumes what is in its folder. Run from the repository's root, with musclefm and MONAI installed::

    python Testing/benchmarks/paper_comparison.py --work comparison \
        --out Testing/benchmarks/paper_comparison.md
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

import musclefm
from musclefm.benchmark.plan import BenchmarkPlan
from musclefm.results.benchmark.table import MEASURES, Benchmark, Cell

PLAN = {
    "data": {"renderings": 18, "seed": 2025, "slices": 8},
    "systems": [
        {"system": "sam-lora", "name": "sam-lora-of-thigh-demo", "start": "thigh-demo", "batch": 4},
        {
            "system": "sam-decoder",
            "name": "sam-decoder-of-thigh-demo",
            "start": "thigh-demo",
            "batch": 4,
        },
        {"system": "sam-lora", "name": "small-sam", "start": "scratch", "batch": 4},
        {"system": "thigh-demo", "name": "thigh-demo-architecture", "batch": 4},
        {"system": "monai-unet", "batch": 4},
    ],
    "folds": 3,
    "test": 0.34,
    "seed": 0,
    "budget": {"steps": 60},
    "temperature": True,
}
GROUPS = ("early", "moderate", "severe")


def table(benchmark: Benchmark, names: list[str]) -> list[str]:
    """Return rows of measures by group as Markdown."""
    heads = [f"{MEASURES[name].title}, {group}" for name in names for group in GROUPS]
    lines = [f"| System | | {' | '.join(heads)} |", "|---|---|" + "---|" * len(heads)]
    for row in benchmark.rows:
        cells = [shown(row.cells[group][name]) for name in names for group in GROUPS]
        lines.append(f"| {row.title} | {row.kind} | {' | '.join(cells)} |")
    return lines


def shown(cell: Cell) -> str:
    """Return a number with its bounds."""
    if math.isnan(cell.value):
        return "-"
    bounds = "" if math.isnan(cell.low) else f" ({cell.low:.3f}-{cell.high:.3f})"
    return f"{cell.value:.3f}{bounds}"


def report(benchmark: Benchmark) -> str:
    """Return the page, but for what is to be thought of it."""
    facts = benchmark.facts
    split = facts["split"]
    lines = [
        "# The paper's comparison, on renderings and a small budget",
        "",
        "**Rendered persons, small networks, a budget of minutes: a test of the command and of what"
        " it measures. It says nothing of patients, of SAM with its published weights or of any"
        " system at a full budget.** Made by `paper_comparison.py`; definitions:"
        " `Resources/Docs/benchmark.md`.",
        "",
        f"Plan: `{json.dumps(facts['plan'])}`",
        "",
        f"{facts['machine']}; "
        + ", ".join(f"{name} {number}" for name, number in facts["versions"].items())
        + f". Test: {len(split['test'])} persons, validation: {len(split['validation'])}, folds of "
        + ", ".join(str(len(fold)) for fold in split["folds"])
        + ".",
        "",
        "Means over persons; in brackets of single folds the lowest and highest, of an ensemble the"
        " 95 % interval. ECE and NLL within 10 mm of a muscle, after the temperature.",
        "",
        *table(benchmark, ["dsc_pooled", "dsc_mean"]),
        "",
        *table(benchmark, ["ece", "nll"]),
        "",
        "Before the temperature:",
        "",
        *table(benchmark, ["ece_before_temperature", "nll_before_temperature"]),
        "",
        "By the authors' definitions (after the temperature), to stand beside their table alone:",
        "",
        *table(benchmark, ["dsc_pooled_over_cases", "ece_boxes_flipped", "nll_boxes"]),
        "",
        "Printed by Casali et al. 2025 on 76 patients: DSC of SAM encoder/decoder 0.925, 0.886,"
        " 0.857, of nnU-Net 3D comparable, 0.883, 0.850; ECE of SAM -, 3.6 %, 3.3 %, of nnU-Net 3D"
        " -, 5.1 %, 7.1 %.",
        "",
        "| System | training of each fold, s | temperature of the ensemble | fold 0, sha256 |",
        "|---|---|---|---|",
    ]
    for system in benchmark.systems:
        seconds = ", ".join(
            "resumed" if fold["seconds"] is None else f"{fold['seconds']:.0f}"
            for fold in system.facts["training"]
        )
        temperature = system.facts["temperatures"]["ensemble"]
        lines.append(
            f"| {system.title} | {seconds} | {temperature:.3f} |"
            f" `{system.facts['sha256']['fold-0'][:16]}` |"
        )
    lines += ["", "Ensembles against the first row's, p after Holm's correction:", ""]
    lines += ["| System | score | difference | p |", "|---|---|---|---|"]
    lines += [
        f"| {system.title} | {row.name} | {row.difference.mean:+.3f} | {row.p:.3g} |"
        for system in benchmark.systems
        for row in system.paired
        if row.name in ("pooled_dice", "ece", "nll")
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run the comparison, and write what was measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="the benchmark's folder")
    parser.add_argument("--out", type=Path, required=True, help="Markdown to write")
    arguments = parser.parse_args()
    plan = BenchmarkPlan.model_validate(PLAN)
    benchmark = musclefm.run_benchmark(plan, arguments.work, device="cpu", progress=print)
    arguments.out.write_text(report(benchmark), "utf-8")


if __name__ == "__main__":
    main()
