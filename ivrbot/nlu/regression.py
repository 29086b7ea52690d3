"""Multinomial logistic regression over one dense and one sparse block of features.

scikit-learn's takes one matrix only; with the embedding stored sparsely beside the TF-IDF it needs six times the
time. Same objective: mean cross-entropy plus |W|^2 / (2 C n), intercepts free, minimised by L-BFGS
(`ivrbot.nlu.minimise`).
Source: Hastie, Tibshirani, Friedman, "The Elements of Statistical Learning", section 4.4; Byrd et al. 1995.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ivrbot.nlu.features import SparseRows
from ivrbot.nlu.minimise import Vector, minimise

_MAX_ITERATIONS: Final = 200

Matrix = NDArray[np.float32]


class SoftmaxRegression:
    """Fitted once, then read-only."""

    def __init__(self, c: float, tolerance: float) -> None:
        """Takes the settings.

        Args:
            c: inverse strength of regularisation, as in scikit-learn.
            tolerance: largest gradient component at which to stop.
        """
        self._c = c
        self._tolerance = tolerance
        self.classes: tuple[str, ...] = ()
        self.dense_weights: Matrix = np.zeros((0, 0), np.float32)
        self.sparse_weights: Matrix = np.zeros((0, 0), np.float32)
        self.bias: Matrix = np.zeros(0, np.float32)

    def fit(
        self,
        dense: Matrix,
        rows_of_terms: SparseRows,
        labels: Sequence[str],
        weights: Sequence[float] | None = None,
    ) -> None:
        """Minimises the objective.

        Args:
            dense: shape (n, d), d may be 0.
            rows_of_terms: n rows.
            labels: n class names, at least two different ones.
            weights: how much each row counts, n values above 0; None counts each as 1.
        """
        # Slow to import, needed only in training.
        from scipy.sparse import csr_matrix

        sparse = csr_matrix(
            (rows_of_terms.values, rows_of_terms.indices, rows_of_terms.indptr),
            shape=(len(labels), rows_of_terms.columns),
        )
        self.classes = tuple(sorted(set(labels)))
        index = {name: position for position, name in enumerate(self.classes)}
        target = np.array([index[label] for label in labels])
        rows, classes = np.arange(len(labels)), len(self.classes)
        d, s = dense.shape[1], sparse.shape[1]
        transposed = sparse.T.tocsr()
        counted = np.ones(len(labels), np.float32) if weights is None else np.array(weights, np.float32)
        mass = float(counted.sum(dtype=np.float64))
        decay = 1.0 / (self._c * mass)
        counted /= np.float32(mass)

        def objective(flat: Vector) -> tuple[float, Vector]:
            found = flat.reshape(d + s + 1, classes)
            share = softmax(dense @ found[:d] + sparse @ found[d:-1] + found[-1])
            loss = -float((np.log(np.maximum(share[rows, target], 1e-12)) * counted).sum(dtype=np.float64))
            loss += 0.5 * decay * float(flat[:-classes] @ flat[:-classes])
            share[rows, target] -= 1.0
            share *= counted[:, None]
            gradient = np.empty_like(found)
            gradient[:d] = dense.T @ share
            gradient[d:-1] = transposed @ share
            gradient[:-1] += np.float32(decay) * found[:-1]
            gradient[-1] = share.sum(axis=0)
            return loss, gradient.ravel()

        start = np.zeros((d + s + 1) * classes, np.float32)
        solution = minimise(objective, start, tolerance=self._tolerance, max_iterations=_MAX_ITERATIONS)
        best = solution.reshape(d + s + 1, classes)
        self.dense_weights, self.sparse_weights = best[:d].copy(), best[d:-1].copy()
        self.bias = best[-1].copy()

    def restore(self, classes: tuple[str, ...], dense: Matrix, sparse: Matrix, bias: Matrix) -> None:
        """Takes what an earlier `fit` has found."""
        self.classes = classes
        self.dense_weights, self.sparse_weights, self.bias = dense, sparse, bias

    def logits(self, dense: Matrix, sparse: SparseRows) -> NDArray[np.float64]:
        """Scores before the softmax, of shape (n, number of classes)."""
        found = dense @ self.dense_weights + self.bias
        for row in range(len(found)):
            part = slice(sparse.indptr[row], sparse.indptr[row + 1])
            found[row] += sparse.values[part] @ self.sparse_weights[sparse.indices[part]]
        scores: NDArray[np.float64] = found.astype(np.float64)
        return scores

    def probabilities(self, dense: Matrix, sparse: SparseRows) -> NDArray[np.float64]:
        """Array of shape (n, number of classes); rows add up to 1."""
        return softmax(self.logits(dense, sparse))


def softmax(logits: NDArray[Any]) -> NDArray[Any]:
    """Shares of each row, adding up to 1."""
    exponentials: NDArray[Any] = np.exp(logits - logits.max(axis=1, keepdims=True))
    exponentials /= exponentials.sum(axis=1, keepdims=True)
    return exponentials
