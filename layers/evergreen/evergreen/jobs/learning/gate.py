"""The gate: which labelled files may be learned from, and whether what learned from them serves.

Every threshold here was chosen by `make simulate-gate`, which shows what it lets through.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from evergreen.customers.compatibility import obstacles
from evergreen.customers.schema import Matrix, Schema
from evergreen.jobs.learning.cohort import Cohort, Integers
from evergreen.jobs.learning.slices import Slice, slices
from evergreen.models import artifact, typical
from evergreen.models.reference import Reference
from evergreen.models.training import Trained
from evergreen.settings import Thresholds
from evergreen.statistics import comparison, drift
from evergreen.statistics.agreement import Agreement, agreement
from evergreen.statistics.baseline import Baseline
from evergreen.statistics.comparison import Comparison, Labels, Scores, Weights, losses
from evergreen.statistics.profit import profit

MARGIN = 0.01
"""How much log loss (nats) a challenger may surely lose at the most and count as equally good."""
KNOWN_MARGIN = 0.03
"""The same on customers whom the champion knew, where it is not them that the news is of."""
MIN_JUDGED, MIN_OUTCOMES = 100, 10
"""The fewest held-out customers, and of the rarer outcome, that are compared on by themselves."""
COMPARED = 20_000
"""The most customers that are compared on; a sample, beyond that."""
GROWTH = 1.0
"""By what share labelled history has to grow for more of the same to be worth a training."""

_NAMED, _KEPT = 3, 20  # slices in a sentence, and in a manifest
_SURELY = 2.33  # standard errors: a champion that holds is called worse in one case of a hundred

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Decision:
    """What the gate says of a challenger, and the numbers behind it."""

    promoted: bool
    reason: str
    waits: bool = False
    """Whether it is better, but only a person can say that it should serve all the same."""
    comparison: dict[str, Any] | None = None
    """With the champion, on the customers that the challenger was made for."""
    known: dict[str, Any] | None = None
    """With the champion, on held-out customers whom it knew."""
    anchor: str | None = None
    """The best version so far on customers who are still comparable; the next is held to it."""
    anchored: dict[str, Any] | None = None
    """With the anchor so far, where that is not the champion itself."""
    profit: dict[str, Any] | None = None
    """What champion and challenger bring per customer, on those they are compared on; None where
    the schema does not state what customers are worth."""
    slices: list[dict[str, Any]] | None = None
    """With the champion, on the levels that enough of those customers have, the worst first."""


class Paired(NamedTuple):
    """Customers whom two models have answered."""

    rows: Integers
    churned: Labels
    rival: Scores
    challenger: Scores
    weights: Weights


@dataclass(frozen=True, slots=True)
class Gate:
    """The champion as the measure of what comes."""

    champion: Reference
    anchor: Reference | None
    """The best version so far, where that is another."""
    thresholds: Thresholds
    """From where on customers count as others."""
    baseline: Baseline = field(init=False)

    def __post_init__(self) -> None:
        baseline = Baseline.parse(self.champion.files[artifact.BASELINE])
        object.__setattr__(self, "baseline", baseline)

    def suspicions(self, cohort: Cohort) -> dict[str, str]:
        """Name the files whose fresh customers contradict what is known, each with the reason.

        Every file is judged by itself and, where none is suspicious, all of them together: many
        small ones may be wrong in the same way.
        """
        fresh = np.flatnonzero(cohort.fresh)
        if not len(fresh):
            return {}
        matrix = cohort.encode(self.champion.schema, fresh)
        scores, churned = self.champion.probabilities(matrix), cohort.labelled.churned[fresh]
        files = cohort.source[fresh]
        found: dict[str, str] = {}
        for file in sorted(set(files.tolist())):
            mine = files == file
            if reason := self._suspicion(matrix[mine], scores[mine], churned[mine]):
                found[file] = reason
        together = not found and self._suspicion(matrix, scores, churned)
        return dict.fromkeys(files.tolist(), f"with others: {together}") if together else found

    def holds(self, cohort: Cohort) -> str | None:
        """Say why the champion need not be trained anew for the fresh customers; None if it must.

        It must where they are others than those it was chosen for, where it does worse on them
        than on those who were held out, or where they are many.
        """
        known = int((~cohort.fresh).sum())
        if not cohort.fresh.any() or cohort.fresh.sum() >= GROWTH * known or self._others(cohort):
            return None
        scores = self.champion.probabilities(cohort.encode(self.champion.schema, cohort.news))
        lost, own = losses(cohort.labelled.churned[cohort.news], scores), self.champion.metrics
        rows, before = own["held_out"]["rows"], own["held_out"]["log_loss"]
        error = lost.std() * np.sqrt(1 / len(lost) + 1 / rows)
        if lost.mean() - before > _SURELY * error:
            return None
        return (
            f"the champion holds: log loss {lost.mean():.4f} on {len(lost)} new customers,"
            f" {before:.4f} on {rows} held out of its own; they are learned from when there are"
            f" {int(GROWTH * known)}, or when customers change"
        )

    def judge(
        self, schema: Schema, cohort: Cohort, trained: Trained, *, withdrawn: bool
    ) -> Decision:
        """Judge a challenger.

        It may serve where it is surely better than the champion or, having learned from fresher
        data, surely as good as the champion and as the best version so far. Beyond that it may not
        unlearn: on held-out customers whom the champion knew it must not lose as much as
        `KNOWN_MARGIN`, unless the fresh customers are others than those, and the customers of no
        category may become surely worse off. A person decides where it does, and is better on the
        fresh ones, or on all.

        It is judged on the fresh customers who were held out, and where these are not others than
        the champion's own, on those as well: more customers show smaller differences.

        Args:
            schema: the challenger's.
            cohort: the labelled customers.
            trained: the challenger.
            withdrawn: whether data that the champion learned from is no longer there, which is
                news, as fresh customers are.

        """
        churned, held_out = cohort.labelled.churned, cohort.labelled.held_out
        fresh, known = held_out & cohort.fresh, cohort.known_held_out
        news = held_out & cohort.news
        others = _enough(churned[news]) and self._others(cohort)
        chosen = news if others else fresh | known
        if not _enough(churned[chosen]):
            few = f"{int(chosen.sum())} held-out customers are too few to compare"
            return Decision(False, f"{few} with {self.champion.version} on", anchor=self._best)

        def against(rival: Reference, mask: Mask) -> Comparison | None:
            enough = _enough(churned[mask])
            return comparison.compare(*paired(rival, mask)[1:]) if enough else None

        def paired(rival: Reference, mask: Mask) -> Paired:
            return self._paired(rival, cohort, trained, mask)

        answered = paired(self.champion, chosen)
        with_champion = comparison.compare(*answered[1:])
        with_anchor = against(self.anchor, chosen) if self.anchor else None
        on_known = None if others else against(self.champion, known)
        decision = self._verdict(
            with_champion, with_anchor, news=withdrawn or bool(cohort.fresh.any())
        )
        sliced = slices(schema, cohort.labelled.matrix[answered.rows], *answered[1:])
        if on_known and on_known.high > KNOWN_MARGIN:
            decision = self._unlearned(on_known, against(self.champion, news))
        elif decision.promoted:
            decision = self._fair(decision, sliced, better=with_champion.high < 0)
        best_so_far = with_anchor or with_champion
        beats = decision.promoted and (
            best_so_far.challenger_log_loss <= best_so_far.rival_log_loss
        )
        decision = replace(
            decision,
            comparison=with_champion.as_dict(),
            known=on_known.as_dict() if on_known else None,
            anchor=None if beats else self._best,
            anchored=with_anchor.as_dict() if with_anchor else None,
            profit=self._profit(schema, cohort, trained, chosen),
            slices=[asdict(one) for one in sliced[:_KEPT]],
        )
        return self._compatible(decision, schema)

    def drifted(self, matrix: Matrix) -> bool:
        """Whether customers, encoded by the champion's schema, are others than its own."""
        counts = self.baseline.count(matrix, np.empty(0, dtype=np.float64))
        importance = self.champion.metrics["importance"]
        return drift.judge(self.baseline, counts, importance, self.thresholds).verdict == "drift"

    @property
    def _best(self) -> str:
        return (self.anchor or self.champion).version

    def _suspicion(self, matrix: Matrix, scores: Scores, churned: Labels) -> str | None:
        found = agreement(churned, scores)
        if found.inverted:
            return f"it contradicts what is known of customers: {_words(found)}"
        if found.uninformative and not self.drifted(matrix):
            return f"nothing that is known of customers holds in it: {_words(found)}"
        return None

    def _others(self, cohort: Cohort) -> bool:
        return self.drifted(cohort.encode(self.champion.schema, cohort.news))

    def _paired(self, rival: Reference, cohort: Cohort, trained: Trained, mask: Mask) -> Paired:
        held_out = np.flatnonzero(cohort.labelled.held_out)
        rows = np.flatnonzero(mask)
        picked, weights = comparison.sample(cohort.labelled.churned[rows], COMPARED)
        rows = rows[picked]
        return Paired(
            rows,
            cohort.labelled.churned[rows],
            rival.probabilities(cohort.encode(rival.schema, rows)),
            trained.scores[np.searchsorted(held_out, rows)],
            weights,
        )

    def _profit(
        self, schema: Schema, cohort: Cohort, trained: Trained, mask: Mask
    ) -> dict[str, Any] | None:
        """Return what the two would bring, by what is at stake in the challenger's schema."""
        value = schema.campaign.value
        if value is None:
            return None
        rows, held_out = np.flatnonzero(mask), np.flatnonzero(cohort.labelled.held_out)
        churned = cohort.labelled.churned[rows]
        amounts = value.amounts(
            cohort.labelled.matrix[rows], typical.parse(trained.metrics["typical"]).tolist()
        )
        scores: dict[str, Scores] = {
            "champion": self.champion.probabilities(cohort.encode(self.champion.schema, rows)),
            "challenger": trained.scores[np.searchsorted(held_out, rows)],
        }
        return {who: profit(churned, each, amounts).as_dict() for who, each in scores.items()}

    def _unlearned(self, on_known: Comparison, on_fresh: Comparison | None) -> Decision:
        """Keep what has unlearned what was known of the same kind of customers.

        Where it is better on the fresh ones, only a person can say which of them are right.
        """
        reason = (
            "it unlearns what was known of the same kind of customers:"
            f" {_figures(self.champion.version, on_known)}"
        )
        if on_fresh is None or on_fresh.high >= 0:
            return Decision(False, reason)
        asked = "either the world has changed or the new outcomes are wrong"
        new = _figures(self.champion.version, on_fresh)
        told = f"{reason}; on the new ones it is better than {new}: {asked}"
        return Decision(False, f"waits to be promoted by hand, as {told}", waits=True)

    def _fair(self, decision: Decision, sliced: Sequence[Slice], *, better: bool) -> Decision:
        """Keep what fails the customers of a category, unless a person says that it may.

        Only one that is better on the whole is worth asking for.
        """
        worse = [str(one) for one in sliced if one.worse]
        if not worse:
            return decision
        reason = f"it is worse on {', '.join(worse[:_NAMED])} ({decision.reason})"
        if better:
            return Decision(False, f"waits to be promoted by hand, as {reason}", waits=True)
        return Decision(False, reason)

    def _verdict(
        self, with_champion: Comparison, with_anchor: Comparison | None, *, news: bool
    ) -> Decision:
        numbers = _figures(self.champion.version, with_champion)
        if with_champion.high < 0:
            return Decision(True, f"better than {numbers}")
        if with_champion.low > 0:
            return Decision(False, f"worse than {numbers}")
        if with_champion.high > MARGIN:
            shown = f"so many show a difference of {with_champion.detects:.3f}"
            return Decision(False, f"not surely as good as {numbers}; {shown}")
        if not news:
            return Decision(False, f"no better than {numbers}, and learned from nothing newer")
        if self.anchor and with_anchor and with_anchor.high > MARGIN:
            best = _figures(self.anchor.version, with_anchor)
            return Decision(False, f"as good as the champion, but not as the best so far, {best}")
        return Decision(True, f"as good as, and fresher than, {numbers}")

    def _compatible(self, decision: Decision, schema: Schema) -> Decision:
        """Let a version wait that would refuse customers whom the champion takes."""
        found = obstacles(self.champion.schema, schema)
        if not found or not decision.promoted:
            return decision
        reason = f"waits to be promoted by hand, as clients would notice: {'; '.join(found)}"
        told = f"{reason} ({decision.reason})"
        return replace(decision, promoted=False, waits=True, reason=told)


def _enough(churned: Labels) -> bool:
    rarer = min(int(churned.sum()), int((~churned).sum()))
    return len(churned) >= MIN_JUDGED and rarer >= MIN_OUTCOMES


def _figures(version: str, found: Comparison) -> str:
    return (
        f"{version} on {found.customers} held-out customers: log loss"
        f" {found.challenger_log_loss:.4f} against {found.rival_log_loss:.4f}"
    )


def _words(found: Agreement) -> str:
    return (
        f"on its {found.customers} new customers the champion has ROC AUC {found.roc_auc:.3f} and"
        f" log loss {found.log_loss:.3f}, where the churn rate alone has {found.prior_log_loss:.3f}"
    )
