"""How hypothesis searches: `HYPOTHESIS_PROFILE=deep make test` looks thirty times longer."""

from __future__ import annotations

import os

from hypothesis import settings

# No deadline: a busy machine is slow, not wrong.
settings.register_profile("patient", deadline=None)
settings.register_profile("deep", deadline=None, max_examples=3000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "patient"))
