"""The samples of the last minute, and the frame that they make."""

from __future__ import annotations

from collections import deque

from .compare import compare
from .frame import Frame
from .sample import Sample, restarted

WINDOW_S = 60.0


class History:
    """Keeps samples; forgets those before a restart of the server, whose counters began anew."""

    def __init__(self, window_s: float = WINDOW_S) -> None:
        self._window_s = window_s
        self._samples: deque[Sample] = deque()

    def add(self, sample: Sample) -> Frame | None:
        """Returns the frame up to this sample; None of the first."""
        if self._samples and restarted(self._samples[-1], sample):
            # The last one stays: what it lacks began at 0, and growth handles that for one step.
            self._samples = deque([self._samples[-1]])
        self._samples.append(sample)
        # The oldest is the last one at or before the window's beginning, so the window is whole.
        while len(self._samples) > 2 and self._samples[1].at <= sample.at - self._window_s:
            self._samples.popleft()
        if len(self._samples) == 1:
            return None
        frame = compare(self._samples[-2], sample, self._samples[0])
        if restarted(self._samples[0], sample):
            self._samples.popleft()  # from now on the window begins after the restart
        return frame
