"""How good the shipped ensemble is, and what a case costs.

Scores the ensemble on renderings of held-out real anatomies by severity and
contrast, then times ``musclefm demo`` as a whole process.

Run from the repository's root, with musclefm installed::

    python Testing/benchmarks/demo_quality.py --anatomies ../shared/anatomies \
        --out Testing/benchmarks/demo_quality.md
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from musclefm.demo.evaluate import CONTRASTS, RenderingScore, mean_scores, score_on_renderings
from musclefm.demo.phantom.anatomies import load_anatomies
from musclefm.demo.train import SCHEME, TEST_SUBJECTS
from musclefm.evaluation.cohort.severity import SEVERITIES
from musclefm.inference.device import choose_runtime
from musclefm.labels.scheme import load_scheme
from musclefm.models.registry import find_bundle
from musclefm.progress import ProgressEvent

WANTED = {"early": 0.88, "moderate": 0.85, "severe": 0.80}


def quality_table(scores: list[RenderingScore]) -> str:
    """Return the scores by severity and contrast as Markdown."""
    lines = [
        "| Severity | "
        + " | ".join(CONTRASTS)
        + " | DSC, all | wanted | DSC per slice | ECE | NLL |",
        "|---" * (len(CONTRASTS) + 6) + "|",
    ]
    means = mean_scores(scores)
    for severity in SEVERITIES:
        chosen = [score for score in scores if score.severity == severity]
        by_contrast = [
            np.mean([score.quality.dice for score in chosen if score.contrast == contrast])
            for contrast in CONTRASTS
        ]
        cells = [f"{value:.3f}" for value in by_contrast]
        cells += [f"{means[f'{severity}_dsc']:.3f}", f"{WANTED[severity]:.2f}"]
        cells += [f"{means[f'{severity}_{name}']:.3f}" for name in ("dsc_per_slice", "ece", "nll")]
        lines.append(f"| {severity} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def cost_table(repeats: int) -> str:
    """Return time and memory of the demo as Markdown.

    Start-up (importing torch and loading the ensemble) is timed apart by a
    command that does only that, so that ratios can be compared over machines.
    """
    commands = {
        "`musclefm --version`": ["--version"],
        "`musclefm models show thigh-demo`": ["models", "show", "thigh-demo"],
        "`musclefm demo`, fp32": ["demo", "--progress", "none", "--precision", "fp32"],
        "`musclefm demo`, as chosen": ["demo", "--progress", "none"],
    }
    lines = ["| Command | seconds | relative to the demo |", "|---|---|---|"]
    seconds = {}
    for name, arguments in commands.items():
        taken = []
        for _ in range(repeats):
            with tempfile.TemporaryDirectory() as folder:
                out = ["--out", folder] if arguments[0] == "demo" else []
                started = time.perf_counter()
                subprocess.run(
                    [sys.executable, "-m", "musclefm", *arguments, *out],
                    check=True,
                    stdout=subprocess.DEVNULL,
                )
                taken.append(time.perf_counter() - started)
        seconds[name] = float(np.median(taken))
    for name, value in seconds.items():
        ratio = value / seconds["`musclefm demo`, as chosen"]
        lines.append(f"| {name} | {value:.1f} | {ratio:.2f} |")
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024**2
    lines.append(f"\nPeak memory of the largest process: {peak:.2f} GiB.")
    return "\n".join(lines)


def main() -> None:
    """Score, time, and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--anatomies", type=Path, required=True)
    parser.add_argument("--model", default="thigh-demo")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    bundle = find_bundle(arguments.model)
    anatomies = [
        anatomy
        for anatomy in load_anatomies(arguments.anatomies, load_scheme(SCHEME))
        if anatomy.subject in TEST_SUBJECTS
    ]

    def tell(event: ProgressEvent) -> None:
        print(f"{event.done}/{event.total} {event.message}", file=sys.stderr)

    scores = score_on_renderings(bundle, anatomies, choose_runtime("cpu"), arguments.seed, tell)
    text = "\n\n".join(
        [
            "# The demo ensemble: quality and cost",
            f"Model {bundle.manifest.name} {bundle.manifest.version}, sha256 `{bundle.sha256}`. "
            f"{len(scores)} renderings of {len(anatomies)} label maps of {len(TEST_SUBJECTS)} "
            f"subjects that were held out of all training, seed {arguments.seed}. DSC: mean over "
            "muscles of the whole volume; ECE and NLL (nats) within 10 mm of a muscle.",
            quality_table(scores),
            "Whole processes on this machine's CPU, median of "
            f"{arguments.repeats} runs; the sample has 26 slices of 104 x 208.",
            cost_table(arguments.repeats),
        ]
    )
    print(text)
    if arguments.out:
        arguments.out.write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main()
