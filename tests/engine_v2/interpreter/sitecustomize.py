"""Run when an engine's processes start: vLLM's model runner V2 on a CPU, without a GPU's Triton.

With `TRITON_INTERPRET=1` Triton's own interpreter executes V2's kernels. vLLM only has to believe
that Triton has a driver, and only while it looks; torch, which looks later, must not believe it.
"""

from types import SimpleNamespace

from triton.backends import backends

backends["cpu"] = SimpleNamespace(driver=SimpleNamespace(is_active=lambda: True))
import vllm.triton_utils  # noqa: E402, F401 - it looks when it is imported

del backends["cpu"]
