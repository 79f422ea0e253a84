"""How often drift is seen that is none, and how often drift is missed that is some.

    python -m tests.simulations.calibrate        (`make calibrate`)

First table: months in which the customers stay as they are, checked every hour. A false alarm is a
month in which a check calls the population drifted or, counted apart, any feature. Second table:
how often the right feature is found where it has moved. The other tables are those of `context`.

Everything that judges is the product's own code. Features are independent of each other, and every
prediction is for another customer: both make for more false alarms than there are in real life,
where features move together and customers come back.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import numpy.typing as npt
from scipy import stats

from evergreen.settings import Thresholds
from evergreen.statistics.baseline import Baseline, Column, Counts
from evergreen.statistics.drift import Report, judge
from evergreen.statistics.two_sample import homogeneity, smirnov
from tests.simulations.context import joint_false_alarms, joint_power, segment_false_alarms
from tests.simulations.populations import (
    PLACES,
    POPULATIONS,
    Field,
    Floats,
    Mask,
    Population,
    draw,
    reference,
    sample,
)

HOURS = 30 * 24
WINDOW = 24
MAX_WINDOW = 336
RATES = (10, 100, 10_000)
REFERENCES = (1_000, 7_000)
SIZES = (200, 500, 2_000)

Integers = npt.NDArray[np.int64]


class Month:
    """What was seen of one feature in a month of windows, each of so many hours."""

    def __init__(self, field: Field, rng: np.random.Generator, rate: int, width: int) -> None:
        """Draw customers, `rate` of them an hour.

        Beyond 1,000 an hour their number is left to chance, as it is in life: then those of each
        group come by themselves, in numbers that are Poisson's, and nobody has to be drawn.
        """
        self._field, self._rng, self._rate, self._width = field, rng, rate, width
        hours, groups = HOURS + width - 1, int(field.group[-1]) + 1
        if rate > 1_000:
            hourly = rng.poisson(rate * np.bincount(field.group) / PLACES, (hours, groups))
        else:
            self._places = draw(rng, hours * rate)
            hour = np.repeat(np.arange(hours) * groups, rate)
            seen = np.bincount(hour + field.group[self._places], minlength=hours * groups)
            hourly = seen.reshape(hours, groups)
        sums = np.zeros((hours + 1, groups), dtype=np.int64)
        np.cumsum(hourly, axis=0, out=sums[1:])
        self.windows: Integers = sums[width:] - sums[:-width]
        """Shape (hours of the month, groups): how many of each group the check of an hour sees."""

    def sample(self, hour: int) -> Floats:
        """Return the very values that the check of an hour sees."""
        if self._rate <= 1_000:
            first = hour * self._rate
            return self._field.values[self._places[first : first + self._width * self._rate]]
        members = np.split(self._field.values, np.flatnonzero(np.diff(self._field.group)) + 1)
        drawn = zip(members, self.windows[hour].tolist(), strict=True)
        return np.concatenate([self._rng.choice(among, size) for among, size in drawn])


def width_of(rate: float, thresholds: Thresholds) -> int:
    """How far back a check looks: a day, or as many as there must be for enough customers."""
    days = range(WINDOW, MAX_WINDOW + 1, 24)
    return next((hours for hours in days if hours * rate >= thresholds.min_rows), MAX_WINDOW)


def month(
    population: Population, rng: np.random.Generator, rows: int, rate: int, limits: Thresholds
) -> tuple[bool, bool]:
    """Whether some check of a month calls the population drifted, and any feature.

    A feature is drifted only where its p-value, even unadjusted, is below alpha and its effect at
    the floor. All hours of the month are looked at for that at once, on a coarse scale that lets
    through whatever may pass on the fine one. The checks of those hours are then made as they are.
    """
    width = width_of(rate, limits)
    baseline = reference(population, rng, rows)
    months = [Month(field, rng, rate, width) for field in population.values()]
    of_feature = False
    for hour in np.flatnonzero(suspect_hours(population, baseline, months, limits)).tolist():
        found = report(population, baseline, months, hour, limits)
        of_feature |= bool(found.drifted)
        if found.verdict == "drift":
            return True, True
    return False, of_feature


def report(
    population: Population,
    baseline: Baseline,
    months: Sequence[Month],
    hour: int,
    limits: Thresholds,
) -> Report:
    """Make the check of an hour."""
    samples = [seen.sample(hour) for seen in months]
    customers = min(map(len, samples))  # by chance each feature has its own number of them
    cells = [c.count(sample) for c, sample in zip(baseline.features, samples, strict=True)]
    counts = Counts(customers, tuple(cells), baseline.score.count(np.empty(0, np.float32)))
    return judge(baseline, counts, _one_matters(population), limits)


def suspect_hours(
    population: Population, baseline: Baseline, months: Sequence[Month], limits: Thresholds
) -> Mask:
    """In which hours of the month, shape (hours,), a feature may have drifted."""
    fields = zip(population.values(), baseline.features, months, strict=True)
    found = [_suspect(field, column, seen.windows, limits) for field, column, seen in fields]
    return np.asarray(np.any(found, axis=0))


def _suspect(field: Field, column: Column, windows: Integers, limits: Thresholds) -> Mask:
    """In which windows a feature may have drifted; shape (windows,), from (windows, groups)."""
    values = np.repeat(column.values, column.counts)
    before = np.bincount(
        field.group[np.searchsorted(field.values, values)], minlength=windows.shape[1]
    )
    suspect = np.zeros(len(windows), dtype=np.bool_)
    if np.isnan(field.values[-1]):
        before[-1] += column.missing
        sides = [
            np.stack([side[..., :-1].sum(axis=-1), side[..., -1]], axis=-1)
            for side in (before, windows)
        ]
        suspect |= _different(*sides, limits)
        before, windows = before[:-1], windows[:, :-1]
    if field.categorical:
        return suspect | _different(before, windows, limits)
    distance = smirnov(before, windows)
    if field.mixed.any():  # within a group each function is between what it is at its edges
        here, there = (
            np.insert(side.cumsum(axis=-1) / side.sum(axis=-1, keepdims=True), 0, 0, axis=-1)
            for side in (before, windows)
        )
        over = (here[1:] - there[:, :-1])[:, field.mixed[: len(before)]].max(axis=1)
        under = (there[:, 1:] - here[:-1])[:, field.mixed[: len(before)]].max(axis=1)
        distance = np.maximum(distance, np.maximum(over, under))
    here_rows, there_rows = int(before.sum()), int(windows.sum(axis=1).max())
    critical = _critical(limits.alpha, round(here_rows * there_rows / (here_rows + there_rows)))
    return np.asarray(suspect | (distance >= max(critical, limits.effect_floor)))


@cache
def _critical(alpha: float, rows: int) -> float:
    """Return the smallest D whose p-value is below alpha; with fewer rows it is larger."""
    return float(stats.kstwo.isf(alpha, rows))


def _different(before: Integers, windows: Integers, limits: Thresholds) -> Mask:
    shares = before / before.sum(), windows / windows.sum(axis=1, keepdims=True)
    different = np.abs(shares[0] - shares[1]).sum(axis=1) / 2 >= limits.effect_floor
    tables = np.stack([np.broadcast_to(before, windows.shape), windows], axis=1)[different]
    _, p_value, effect = homogeneity(tables)
    different[different] = (p_value < limits.alpha) & (effect >= limits.effect_floor)
    return different


def _one_matters(population: Population) -> dict[str, float]:
    """A model that rests on its first feature for as much as makes it the population."""
    rest = 0.65 / (len(population) - 1)
    return {name: 0.35 if j == 0 else rest for j, name in enumerate(population)}


def found(
    population: Population,
    rng: np.random.Generator,
    rows: int,
    size: int,
    limits: Thresholds,
) -> tuple[bool, bool]:
    """Whether a check of so many customers finds a number's shift, and a category's."""
    baseline = reference(population, rng, rows)
    matrix = sample(population, rng, size)
    fields = list(population.values())
    number = next(j for j, field in enumerate(fields) if field.number)
    category = next(j for j, field in enumerate(fields) if field.categorical)
    matrix[:, number] += np.float32(0.4 * np.nanstd(fields[number].values))
    others = 1 - np.mean(fields[category].values == 0)
    matrix[rng.random(size) < 0.15 / others, category] = 0
    report = judge(baseline, baseline.count(matrix, np.empty(0, np.float32)), {}, limits)
    names = list(population)
    return names[number] in report.drifted, names[category] in report.drifted


def upper(alarms: int, months: int) -> float:
    """The upper end of the one-sided 95 % interval of a share (Clopper & Pearson, 1934)."""
    return float(stats.beta.ppf(0.95, alarms + 1, months - alarms)) if alarms < months else 1.0


def false_alarms(
    limits: Thresholds, months: Mapping[str, int], seed: int, note: Callable[[str], None]
) -> Iterator[str]:
    """Simulate months in which nothing changes; the lines of a table."""
    yield "| Features | Reference | Predictions an hour | Months | False alarms | At most (95 %) |"
    yield "|---:|---:|---:|---:|---:|---:|"
    for name, make in POPULATIONS.items():
        population = make()
        for rows in REFERENCES:
            for rate in RATES:
                note(f"{name} features, a reference of {rows:,}, {rate:,} predictions an hour")
                rng = np.random.default_rng([seed, len(population), rows, rate])
                seen = [month(population, rng, rows, rate, limits) for _ in range(months[name])]
                of_all, of_feature = (sum(one) for one in zip(*seen, strict=True))
                yield (
                    f"| {name} | {rows:,} | {rate:,} | {len(seen):,} | {of_all} ({of_feature} of a"
                    f" feature) | {100 * upper(of_all, len(seen)):.1f} % |"
                )


def power(limits: Thresholds, trials: int, seed: int, note: Callable[[str], None]) -> Iterator[str]:
    """Move one number and one category, and look whether that is found; the lines of a table."""
    yield "| Features | Reference | Customers | 0.4 sd in a number | 15 points in a category |"
    yield "|---:|---:|---:|---:|---:|"
    for name, make in POPULATIONS.items():
        population = make()
        for rows in REFERENCES:
            for size in SIZES:
                note(f"{name} features, a reference of {rows:,}, {size:,} customers who differ")
                rng = np.random.default_rng([seed, len(population), rows, size])
                hits = [found(population, rng, rows, size, limits) for _ in range(trials)]
                number, category = (100 * sum(one) / trials for one in zip(*hits, strict=True))
                yield f"| {name} | {rows:,} | {size:,} | {number:.1f} % | {category:.1f} % |"


def main() -> None:
    """Print all tables in Markdown; how far it is goes to standard error."""
    parser = argparse.ArgumentParser(description="Simulate drift checks at the defaults.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--alpha", type=float, default=Thresholds().alpha)
    parser.add_argument("--months", type=float, default=1.0, help="times as many as usual")
    asked = parser.parse_args()
    limits = replace(Thresholds(), alpha=asked.alpha)
    months = {n: round(asked.months * m) for n, m in {"3": 1_000, "14": 400, "40": 300}.items()}
    started = time.monotonic()

    def note(text: str) -> None:
        print(f"{time.monotonic() - started:4.0f} s  {text}", file=sys.stderr, flush=True)

    for table in (
        false_alarms(limits, months, asked.seed, note),
        power(limits, round(asked.months * 200), asked.seed, note),
        joint_false_alarms(limits, round(asked.months * 200), asked.seed, note),
        joint_power(limits, round(asked.months * 40), asked.seed, note),
        segment_false_alarms(limits, round(asked.months * 200), asked.seed, note),
    ):
        for line in table:
            print(line, flush=True)
        print()


if __name__ == "__main__":
    main()
