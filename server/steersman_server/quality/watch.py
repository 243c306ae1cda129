"""One API process and the quality of its answers: which it looks at, and who is told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..admission.decision import Decision
from ..intent.user_turn import latest_user_turn
from ..monitor.metrics import DecisionMetrics
from .judging import Judging
from .logprob_gate import LogprobGate
from .quality_metrics import QualityMetrics
from .sampler import gives_answers, is_sampled
from .shadows import Shadows
from .tap import Tap


class QualityWatch:
    """The sampler, the judging thread and the metrics together."""

    def __init__(self, rate: float, names: DecisionMetrics, gate: LogprobGate) -> None:
        """names: knows which tenants, vectors and flags have a label of their own."""
        self.rate = rate
        self._gate = gate
        self.judging = Judging(QualityMetrics(names).judged)
        """`judging.told.append(hook)`: for what follows from judgements."""
        self.shadows: Shadows | None = None
        """None where no request is run a second time."""

    def tap(
        self, request_id: str, path: str, payload: Mapping[str, Any], decision: Decision
    ) -> Tap | None:
        """Returns what looks on while the request is answered; None where it is not sampled."""
        if not is_sampled(request_id, self.rate) or not gives_answers(payload):
            return None
        turn = latest_user_turn(path, payload)
        prompt = "" if turn is None else turn.text
        shadows = self.shadows
        wanted = shadows is not None and shadows.wants(request_id, decision)
        answered = shadows.answered if shadows is not None and wanted else None
        return Tap(request_id, decision, prompt, self.judging.take, self._gate, answered)
