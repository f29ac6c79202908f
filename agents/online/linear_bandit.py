"""A linear bandit that forgets: D-LinUCB of Russac, Vernade and Cappé, "Weighted linear bandits for non-stationary
environments", NeurIPS 2019, Algorithm 1. Without forgetting it is LinUCB of Li, Chu, Langford and Schapire, "A
contextual-bandit approach to personalized news article recommendation", WWW 2010, Algorithm 1, with one model that all
choices share."""

import numpy as np

from emulator.core.arrays import Floats


class LinearBandit:
    """Estimates costs that are linear in a context of d features.

    `prior`, shape (d,): the coefficients before anything is known; `ridge`: how many observations of each feature alone
    the prior weighs as much as; `discount`: weight of an observation for each later one.
    """

    def __init__(self, prior: Floats, ridge: float, discount: float) -> None:
        self._prior, self._ridge, self._discount = prior, ridge, discount
        self._gram = ridge * np.eye(len(prior))  # V of Algorithm 1
        self._squared_gram = self._gram.copy()  # V with a tilde: of squared weights
        self._moments: Floats = np.zeros(len(prior))  # b, of the deviations from the prior
        self._refresh()

    def learn(self, context: Floats, cost: float) -> None:
        """Take the cost of a choice with a context, shape (d,)."""
        weight, outer = self._discount, np.outer(context, context)
        self._gram = weight * self._gram + outer
        self._squared_gram = weight**2 * self._squared_gram + outer
        diagonal = np.diag_indices(len(context))
        self._gram[diagonal] += (1 - weight) * self._ridge  # the prior is not forgotten
        self._squared_gram[diagonal] += (1 - weight**2) * self._ridge
        self._moments = weight * self._moments + context * (cost - (context * self._prior).sum())
        self._refresh()

    def means(self, contexts: Floats) -> Floats:
        """Return the estimated cost of each context, shape (K,) for contexts of shape (K, d)."""
        means: Floats = (contexts * self.coefficients).sum(axis=1)
        return means

    def widths(self, contexts: Floats) -> Floats:
        """Return how uncertain each estimate is, shape (K,): its standard deviation if costs have a variance of 1."""
        widths: Floats = np.sqrt(np.einsum("kd,de,ke->k", contexts, self._covariance, contexts))
        return widths

    def _refresh(self) -> None:
        inverse = np.linalg.inv(self._gram)
        self.coefficients: Floats = self._prior + inverse @ self._moments
        covariance = inverse @ self._squared_gram @ inverse
        self._covariance: Floats = (covariance + covariance.T) / 2
