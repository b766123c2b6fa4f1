"""Tables of what carrying gives, by rule and by habit."""

from __future__ import annotations

import numpy as np
from carrying_rules import (
    CARRIED,
    DIFFERENCE,
    MODEL_ONLY,
    RULES,
    SHAPES,
    WITHOUT,
)

COUNTS = range(1, 8)
Scores = dict[tuple[str, int, str], list[tuple[float, str]]]


def mean(found: Scores, count: int, rule: str, habit: str | None = None) -> float:
    """Return the mean DSC of a rule after so many slices, over habits or of one."""
    habits = {key[0] for key in found} if habit is None else {habit}
    return float(np.mean([np.mean([s for s, _ in found[h, count, rule]]) for h in sorted(habits)]))


def table(rows: dict[str, list[float]], what: str) -> str:
    """Return rows of numbers for each n as Markdown."""
    lines = [[what, *(f"n = {count}" for count in COUNTS)], ["---"] * (len(COUNTS) + 1)]
    lines += [[name, *(f"{number:.3f}" for number in numbers)] for name, numbers in rows.items()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def by_rule(found: Scores) -> str:
    """Return the mean DSC by rule."""
    return table(
        {rule: [mean(found, n, rule) for n in COUNTS] for rule in (*RULES, WITHOUT, CARRIED)},
        "mean DSC",
    )


def by_habit(found: Scores) -> str:
    """Return by how much the library's rule is ahead of the better plain one."""
    ahead = {
        habit: [
            mean(found, n, CARRIED, habit)
            - max(mean(found, n, rule, habit) for rule in (SHAPES, DIFFERENCE))
            for n in COUNTS
        ]
        for habit in dict.fromkeys(key[0] for key in found)
    }
    return table(ahead, "ahead of the better plain rule")


def failures(found: Scores) -> str:
    """Return how often carrying does harm, and where it does most."""
    rows, worst = {}, []
    for habit in dict.fromkeys(key[0] for key in found):
        shares = []
        for count in COUNTS:
            pairs = zip(found[habit, count, CARRIED], found[habit, count, MODEL_ONLY], strict=True)
            harm = [(after[0] - before[0], before[0], after[1]) for after, before in pairs]
            shares.append(float(np.mean([change < -0.02 for change, *_ in harm])))
            worst += [(change, before, name, habit, count) for change, before, name in harm]
        rows[habit] = shares
    lines = [
        f"- {name}, n = {count}, {habit}: {before:.3f} to {before + change:.3f}"
        for change, before, name, habit, count in sorted(worst)[:5]
    ]
    return "\n".join([table(rows, "share of muscles"), "", "Most harm:", "", *lines])
