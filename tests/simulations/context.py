"""What is told beside a verdict: all features at once, and the levels of a category one by one.

Part of `make calibrate`. False alarms of single checks: of the test of all features at once the
spread of its z, which must not be above 1 for its p-values to hold, and of both how often they see
something where nothing has changed, at levels of alpha at which that can be counted. Power: the
correlation of two numbers changes its sign while each of them stays as it is.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
from scipy import stats

from evergreen.jobs.drift.segments import apart
from evergreen.settings import Thresholds
from evergreen.statistics.joint import joint
from tests.simulations.populations import POPULATIONS, Floats, Population, sample

SIZES = (200, 1_000, 5_000)
REFERENCE = 5_000
CORRELATIONS = (0.25, 0.5)
LEVELS = (0.05, 0.01, 0.001)
SEGMENTS_ALPHA = 0.05

Note = Callable[[str], None]


def joint_false_alarms(limits: Thresholds, trials: int, seed: int, note: Note) -> Iterator[str]:
    """Tell samples of one population apart; the lines of a table."""
    shown = " | ".join(f"p < {100 * level:g} %" for level in LEVELS)
    yield f"| Features | Customers | Checks | Spread of z | {shown} | Drifted at {LEVELS[1]:g} |"
    yield "|---:|---:|---:|---:|---:|---:|---:|---:|"
    loose = replace(limits, alpha=LEVELS[1])
    for name, make in POPULATIONS.items():
        population = make()
        for size in SIZES:
            note(f"{name} features at once, {size:,} customers who are the same")
            rng = np.random.default_rng([seed, len(population), size])
            found = [
                joint(sample(population, rng, REFERENCE), sample(population, rng, size), loose)
                for _ in range(trials)
            ]
            p_values = np.array([one.p_value for one in found if one])
            below = " | ".join(f"{100 * np.mean(p_values < level):.1f} %" for level in LEVELS)
            drifted = 100 * np.mean([one.drifted for one in found if one])
            spread = stats.norm.isf(p_values).std()
            yield (
                f"| {name} | {size:,} | {len(p_values):,} | {spread:.2f} | {below}"
                f" | {drifted:.1f} % |"
            )


def joint_power(limits: Thresholds, trials: int, seed: int, note: Note) -> Iterator[str]:
    """Change the sign of a correlation; the lines of a table."""
    shown = " | ".join(f"{rho:+g} to {-rho:+g}" for rho in CORRELATIONS)
    yield f"| Features | Customers | {shown} |"
    yield f"|---:|---:|{'---:|' * len(CORRELATIONS)}"
    for name, make in POPULATIONS.items():
        population = make()
        for size in SIZES:
            note(f"{name} features at once, {size:,} customers whose correlation has changed")
            rng = np.random.default_rng([seed, len(population), size])
            hits = []
            for rho in CORRELATIONS:
                found = [
                    joint(
                        correlated(population, rng, REFERENCE, rho),
                        correlated(population, rng, size, -rho),
                        limits,
                    )
                    for _ in range(trials)
                ]
                hits.append(f"{100 * np.mean([one.drifted for one in found if one]):.0f} %")
            yield f"| {name} | {size:,} | {' | '.join(hits)} |"


def correlated(
    population: Population, rng: np.random.Generator, rows: int, correlation: float
) -> Floats:
    """Draw customers whose first two numbers go together; how each is distributed stays."""
    matrix = sample(population, rng, rows)
    numbers = [j for j, field in enumerate(population.values()) if not field.categorical][:2]
    normal = rng.multivariate_normal([0, 0], [[1, correlation], [correlation, 1]], rows)
    for j, ranks in zip(numbers, normal.argsort(axis=0).argsort(axis=0).T, strict=True):
        matrix[:, j] = np.sort(matrix[:, j])[ranks]
    return matrix


def segment_false_alarms(limits: Thresholds, trials: int, seed: int, note: Note) -> Iterator[str]:
    """Judge level by level where nothing has changed; the lines of a table."""
    floors = (0.0, limits.effect_floor)
    shown = " | ".join(f"Floor {floor:g}" for floor in floors)
    yield f"| Features | Customers | Checks | {shown} |"
    yield f"|---:|---:|---:|{'---:|' * len(floors)}"
    for name, make in POPULATIONS.items():
        population = make()
        kinds = [field.categorical for field in population.values()]
        columns, place = ([*population], kinds), kinds.index(True)
        for size in SIZES[1:]:
            note(f"{name} features level by level, {size:,} customers who are the same")
            rng = np.random.default_rng([seed, len(population), size])
            alarms = np.zeros(len(floors))
            for _ in range(trials):
                here, there = (sample(population, rng, rows) for rows in (REFERENCE, size))
                known = np.ones(there.shape, np.bool_)
                for i, floor in enumerate(floors):
                    loose = replace(limits, alpha=SEGMENTS_ALPHA, effect_floor=floor)
                    levels = apart(columns, place, here, there, known, {}, loose)
                    alarms[i] += any(report.drifted for _, report in levels)
            shares = " | ".join(f"{100 * share:.1f} %" for share in alarms / trials)
            yield f"| {name} | {size:,} | {trials:,} | {shares} |"
