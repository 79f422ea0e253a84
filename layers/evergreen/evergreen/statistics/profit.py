"""What a model is worth in money, where it is known what customers and offers are worth."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import betainc

from evergreen.customers.value import Amounts

CONCENTRATION = 20.0
"""How sure the chance of acceptance is: that of Beta(6, 14), which the paper takes."""

Labels = npt.NDArray[np.bool_]
Scores = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class Profit:
    """What a model brings per customer, in the currency of the schema."""

    expected_maximum: float
    """The expected maximum profit: the best share of customers is contacted, by the model's
    ranking, for each acceptance there may be."""
    best_share: float
    """The share of customers that are contacted then, on average."""
    at_break_even: float
    """The profit where everybody above their own break-even probability is contacted."""
    contacted: float
    """The share of customers who are."""

    def as_dict(self) -> dict[str, float]:
        """Return it as metrics.json has it."""
        return {name: getattr(self, name) for name in self.__slots__}


def profit(labels: Labels, scores: Scores, amounts: Amounts) -> Profit:
    """Return what a model is worth on customers of known outcome, shape (rows,).

    Where amounts differ from customer to customer, the expected maximum takes their means.
    """
    best, share = expected_maximum(
        labels,
        scores,
        worth=float(amounts.worth.mean()),
        offer=float(amounts.offer.mean()),
        contact=float(amounts.contact.mean()),
        acceptance=float(amounts.acceptance.mean()),
    )
    contact = scores >= amounts.break_even()
    return Profit(
        best, share, float(brought(labels, scores, amounts).mean()), float(contact.mean())
    )


def brought(labels: Labels, scores: Scores, amounts: Amounts) -> npt.NDArray[np.float64]:
    """Return what each customer brings where those from their break-even on are contacted.

    All are of shape (rows,), as is the answer; who is not contacted brings nothing.
    """
    gained = np.where(labels, amounts.acceptance * (amounts.worth - amounts.offer), -amounts.offer)
    return np.where(scores >= amounts.break_even(), gained - amounts.contact, 0.0)


def expected_maximum(
    labels: Labels, scores: Scores, *, worth: float, offer: float, contact: float, acceptance: float
) -> tuple[float, float]:
    """Return the expected maximum profit per customer, and the share who are contacted for it.

    The chance that an offer is accepted is not known but by its mean: it is Beta distributed. For
    each the best threshold lies at a corner of the ROC curve's convex hull.

    Source: Verbraken, Verbeke & Baesens, IEEE TKDE 25(5), 2013, with CLV = worth, d = offer,
    f = contact, and gamma of mean `acceptance`.
    """
    if worth <= offer or not 0 < acceptance < 1:
        return 0.0, 0.0
    leavers, stayers = _hull(labels, scores)  # shares of all customers
    ahead, behind = np.diff(leavers), np.diff(stayers)
    # the acceptance from which on the next corner is better than this one
    turn = ((offer + contact) * behind + contact * ahead) / ((worth - offer) * ahead)
    edges = np.concatenate([[0.0], np.clip(turn, 0.0, 1.0), [1.0]])
    a, b = CONCENTRATION * acceptance, CONCENTRATION * (1.0 - acceptance)
    chance = np.diff(betainc(a, b, edges))
    mean = acceptance * np.diff(betainc(a + 1.0, b, edges))
    spent = contact * leavers + (offer + contact) * stayers
    best = ((worth - offer) * leavers * mean - spent * chance).sum()
    return float(best), float(((leavers + stayers) * chance).sum())


def _hull(labels: Labels, scores: Scores) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Return the corners of the ROC curve's convex hull, as shares of all customers.

    Each corner is a set of customers above a threshold: the leavers and the stayers among them.
    """
    order = np.argsort(-scores, kind="stable")
    ends = np.flatnonzero(np.diff(scores[order], append=np.nan) != 0)  # equal scores go together
    gone = np.concatenate([[0], labels[order].cumsum()[ends]])
    stayed = np.concatenate([[0], (~labels[order]).cumsum()[ends]])
    corners: list[int] = []
    for point in range(len(gone)):
        while len(corners) > 1:
            first, last = corners[-2], corners[-1]
            turn = (gone[last] - gone[first]) * (stayed[point] - stayed[last])
            if turn > (gone[point] - gone[last]) * (stayed[last] - stayed[first]):
                break  # the curve bends down here, as a hull does
            corners.pop()
        corners.append(point)
    gone, stayed = gone[corners] / len(labels), stayed[corners] / len(labels)
    rises = np.concatenate([[True], np.diff(gone) > 0])  # beyond, nobody is left to be kept
    return gone[rises], stayed[rises]
