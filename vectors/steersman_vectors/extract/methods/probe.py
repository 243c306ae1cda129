"""Logistic probe: the direction along which a linear classifier tells the sides apart.

Features are standardised, z = (x - mean) / std; scikit-learn minimises |w|^2 / 2 + C * sum(loss).
The logit is w . z, so its gradient in the residual stream is v = w / std.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .contract import Options, Sides, along

MAX_ITERATIONS = 2000
C_TIMES_HIDDEN = (0.01, 0.1, 1.0, 10.0, 100.0)
"""What cross-validation chooses C from."""
FOLDS = 5


def logistic_probe(sides: Sides, options: Options) -> NDArray[np.float64]:
    """Returns the probe's direction at the length of the means' distance along it; see `Method`.

    C is 1 / hidden unless the options say otherwise: a logit of the size of 1 is as likely as not
    before any example was seen, whatever the width of the model.
    """
    x = np.concatenate([sides.positive, sides.negative])
    labels = np.repeat([1, 0], [len(sides.positive), len(sides.negative)])
    std = x.std(axis=0)
    std[std == 0] = 1.0  # a dimension that never moves tells nothing; its weight is 0
    z = (x - x.mean(axis=0)) / std
    hidden = x.shape[1]
    c = options.probe_c or 1.0 / hidden
    if options.probe_cv:
        c = _cross_validated(z, labels, _groups(sides), hidden)
    return along(_classifier(c).fit(z, labels).coef_[0] / std, sides)


def _classifier(c: float) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=c, max_iter=MAX_ITERATIONS, tol=1e-6)


def _cross_validated(
    z: NDArray[np.float64], labels: NDArray[np.int_], groups: NDArray[np.int_], hidden: int
) -> float:
    """Returns the C of the best log-likelihood on held-out pairs."""
    from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold

    grid = {"C": [factor / hidden for factor in C_TIMES_HIDDEN]}
    folds = StratifiedGroupKFold(min(FOLDS, int(np.bincount(labels).min())))
    search = GridSearchCV(_classifier(1.0), grid, scoring="neg_log_loss", cv=folds, refit=False)
    return float(search.fit(z, labels, groups=groups).best_params_["C"])


def _groups(sides: Sides) -> NDArray[np.int_]:
    """Returns which examples belong together: the two of a pair."""
    first = np.arange(len(sides.positive))
    second = np.arange(len(sides.negative))
    return np.concatenate([first, second if sides.paired else second + len(first)])
