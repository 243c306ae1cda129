"""The laws, the prefix cache, preemption and requests, all once more under model runner V2."""

from __future__ import annotations

import pytest

from tests.engine.test_capture import *  # noqa: F403
from tests.engine.test_laws import *  # noqa: F403
from tests.engine.test_preemption import *  # noqa: F403
from tests.engine.test_prefix_cache import *  # noqa: F403
from tests.engine.test_readout import *  # noqa: F403
from tests.engine.test_requests import *  # noqa: F403

pytestmark = pytest.mark.engine
