"""The trained classifier: a static embedding and a linear head with an abstain threshold.

It runs inside the event loop's thread: the work is bounded, and handing it to another thread and
back would cost about as much again (docs/benchmarks/intents.md).
"""

from __future__ import annotations

import numpy as np

from .contract import Intent
from .head import Floats, Head, best_of
from .static_embedding import Ids, StaticEmbedding
from .user_turn import UserTurn

SOURCE = "embedding"


class EmbeddingClassifier:
    """Labels a turn in three steps.

    1. Safety, in the whole turn and in each sentence of it: a safety label whose probability
       reaches `safety_threshold` wins, so that it cannot be buried.
    2. The best label of the whole turn, if its probability reaches `threshold`.
    3. Else the same once more with the earlier turns before it: "and how long will that take?"
    """

    def __init__(
        self,
        embedding: StaticEmbedding,
        head: Head,
        *,
        labels: tuple[str, ...],
        safety_labels: frozenset[str],
        threshold: float,
        safety_threshold: float,
    ) -> None:
        self.embedding, self.head = embedding, head
        self.labels, self.safety_labels = labels, safety_labels
        self.threshold, self.safety_threshold = threshold, safety_threshold
        self._safety = [i for i, name in enumerate(head.classes) if name in safety_labels]

    async def classify(self, turn: UserTurn) -> Intent:
        """Returns the intent of a turn."""
        return self.judge(turn)

    def judge(self, turn: UserTurn) -> Intent:
        """Returns the intent of a turn, to callers without an event loop too."""
        ids = self.embedding.ids(turn.text)
        alone = self._judge_ids(ids)
        if alone.label is not None or not turn.context:
            return alone
        earlier = self.embedding.ids("\n".join(turn.context))
        together = self._judge_ids(np.concatenate([earlier, ids]))
        return alone if together.label is None else together

    async def aclose(self) -> None:
        """Does nothing: there is nothing to close."""

    def _judge_ids(self, ids: Ids) -> Intent:
        if len(ids) == 0:
            return Intent(None, 0.0, None, SOURCE)
        shares = self.head.probabilities(self.embedding.views(ids))
        safety = self._worst(shares)
        if safety is not None:
            return Intent(safety[0], safety[1], safety[0], SOURCE)
        best, score = best_of(self.head.classes, shares[0].tolist())
        return Intent(best if score >= self.threshold else None, score, best, SOURCE)

    def _worst(self, shares: Floats) -> tuple[str, float] | None:
        """Returns the safety label that is likeliest in any view, where it is likely enough."""
        peaks = shares.max(axis=0).tolist()
        score, index = max(((peaks[i], i) for i in self._safety), default=(0.0, -1))
        if index < 0 or score < self.safety_threshold:
            return None
        return self.head.classes[index], score
