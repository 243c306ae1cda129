"""What the injected operation costs on a device, against the bytes that it has to move.

floor    bytes that must cross memory, over the bandwidth of a plain copy on the same device
alone    `attach.steer`, eager and compiled: reads hidden and its rows, writes hidden
added    what `steer` adds to a residual add and RMSNorm under Inductor, which is how it runs in
         vLLM: fused, hidden is read and written anyway, so that only rows and routing are left
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from vllm_steersman.attach import steer

ROWS = 257
"""Of 256 running requests, and the zero row."""
MAX_TOKENS = 16384
"""Length of the routing buffers, of which a step uses the beginning."""
CACHE_BYTES = 256 * 2**20
"""More than any device's cache: calls go round so many bytes of inputs."""
CALLS, REPEATS = 64, 9


@dataclass(frozen=True)
class Inputs:
    """A step: hidden and residual `[n, H]`, rows `[ROWS, H]`, `[MAX_TOKENS]` of routing."""

    hidden: torch.Tensor
    residual: torch.Tensor
    weight: torch.Tensor
    rows: torch.Tensor
    token_row: torch.Tensor
    token_gate: torch.Tensor


def inputs(n: int, hidden: int, device: str, dtype: torch.dtype) -> Inputs:
    """Random inputs; as many tokens as there are rows each have a row of their own."""

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, device=device).to(dtype)

    token_row = torch.zeros(MAX_TOKENS, dtype=torch.int64, device=device)
    token_row[:n] = 1 + torch.randperm(n, device=device) % (ROWS - 1)
    made = Inputs(
        hidden=normal(n, hidden),
        residual=normal(n, hidden),
        weight=normal(hidden),
        rows=normal(ROWS, hidden),
        token_row=token_row,
        token_gate=torch.rand(MAX_TOKENS, 1, device=device),
    )
    if n > 1:  # as in vLLM's graph: one kernel for any number of tokens
        torch._dynamo.mark_dynamic(made.hidden, 0)
        torch._dynamo.mark_dynamic(made.residual, 0)
    return made


def steer_alone(x: Inputs) -> torch.Tensor:
    return steer(x.hidden, x.rows, x.token_row, x.token_gate)


def add_and_norm(hidden: torch.Tensor, residual: torch.Tensor, weight: torch.Tensor) -> Any:
    """Returns (norm(hidden + residual) * weight, hidden + residual), as vLLM's fused blocks do."""
    total = hidden + residual
    wide = total.float()
    scale = torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + 1e-6)
    return (wide * scale).to(hidden.dtype) * weight, total


def norm_only(x: Inputs) -> Any:
    return add_and_norm(x.hidden, x.residual, x.weight)


def norm_after_steer(x: Inputs) -> Any:
    return add_and_norm(steer_alone(x), x.residual, x.weight)


def compiled(function: Callable[[Inputs], Any]) -> Callable[[Inputs], Any]:
    """Returns the function under Inductor."""
    body = torch.compile(lambda *tensors: function(Inputs(*tensors)), fullgraph=True, dynamic=False)

    def call(x: Inputs) -> Any:
        return body(x.hidden, x.residual, x.weight, x.rows, x.token_row, x.token_gate)

    return call


def bytes_added(n: int, hidden: int, itemsize: int) -> int:
    """Returns what steering alone must read: distinct rows, and each token's row and gate."""
    return min(n, ROWS - 1) * hidden * itemsize + n * (8 + 4)


def bytes_alone(n: int, hidden: int, itemsize: int) -> int:
    """Returns what `steer` by itself must move: hidden read and written besides."""
    return 2 * n * hidden * itemsize + bytes_added(n, hidden, itemsize)


def seconds_per_call(
    call: Callable[[Inputs], Any], sets: Sequence[Inputs], calls: int = CALLS
) -> float:
    """Returns the median time of a call, round and round the input sets.

    On a GPU a CUDA graph of many calls is timed with events. Results stay alive for one round, so
    that each call writes to memory of its own.
    """
    kept: list[Any] = [None] * len(sets)

    def run() -> None:
        for i in range(calls):
            kept[i % len(sets)] = call(sets[i % len(sets)])

    if sets[0].hidden.device.type != "cuda":
        run()
        return statistics.median(_wall_clock(run) for _ in range(REPEATS)) / calls
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        run()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        run()
    graph.replay()
    return statistics.median(_device_clock(graph.replay) for _ in range(REPEATS)) / calls


def _wall_clock(run: Callable[[], None]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def _device_clock(run: Callable[[], None]) -> float:
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    run()
    end.record()
    end.synchronize()
    return start.elapsed_time(end) / 1e3


def bandwidth(device: str, nbytes: int = 2**30) -> float:
    """Returns bytes per second, read and written, of a copy within the device's memory."""
    source = torch.randint(0, 255, (nbytes,), dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    clock = _device_clock if device == "cuda" else _wall_clock
    target.copy_(source)
    times = [clock(lambda: target.copy_(source)) for _ in range(REPEATS)]
    return 2 * nbytes / statistics.median(times)


def measure(
    tokens: Sequence[int], hidden: int, device: str, dtype: torch.dtype, *, calls: int = CALLS
) -> list[dict[str, Any]]:
    """Returns a row of the table for each number of tokens: bytes, and microseconds per call."""
    torch._dynamo.reset()
    functions = {
        "eager": steer_alone,
        "compiled": compiled(steer_alone),
        "norm": compiled(norm_only),
        "norm_steered": compiled(norm_after_steer),
    }
    rows = []
    for n in tokens:
        each = (2 * n + ROWS) * hidden * dtype.itemsize
        how_many = min(calls, max(2, CACHE_BYTES // each + 1))
        sets = [inputs(n, hidden, device, dtype) for _ in range(how_many)]
        check(functions, sets[0])
        row: dict[str, Any] = {
            "tokens": n,
            "hidden": hidden,
            "bytes_alone": bytes_alone(n, hidden, dtype.itemsize),
            "bytes_added": bytes_added(n, hidden, dtype.itemsize),
        }
        for name, function in functions.items():
            row[f"{name}_us"] = seconds_per_call(function, sets, calls) * 1e6
        rows.append(row)
    return rows


def check(functions: dict[str, Callable[[Inputs], Any]], x: Inputs) -> None:
    """Raises unless what is timed computes what it should, to the dtype's rounding."""
    exact = Inputs(*(t.double() if t.is_floating_point() else t for t in vars(x).values()))
    wanted = {"eager": steer_alone, "compiled": steer_alone, "norm": norm_only}
    for name, function in functions.items():
        got, expected = function(x), wanted.get(name, norm_after_steer)(exact)
        got, expected = (t[0] if isinstance(t, tuple) else t for t in (got, expected))
        error = (got.double() - expected).norm() / expected.norm()
        assert error < 4 * torch.finfo(x.hidden.dtype).eps, (name, float(error))


HEADING = """\
# The injected operation against memory bandwidth

{machine}, {dtype}. A copy within the device's memory moves {gbps:.0f} GB/s; a floor is the bytes that
must be moved, over that. *Alone*: `hidden + rows[token_row] * token_gate` as an operation by itself.
*In the norm*: a residual add and RMSNorm under Inductor, without and with steering before it, which is
how it runs in vLLM; `added` is the difference. Microseconds per call, in a CUDA graph of {calls}
calls that go round as many inputs; steps of few tokens lie in the cache all the same. Made by `make bench-gpu`.

| hidden | tokens | alone: floor | compiled | x floor | eager | in the norm: without | with | added | floor |
|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|
"""  # noqa: E501


def page(record: dict[str, Any]) -> str:
    heading = HEADING.format(
        machine=record["machine"], dtype=record["dtype"], calls=CALLS,
        gbps=record["bytes_per_second"] / 1e9,
    )  # fmt: skip
    return heading + "".join(line(row, record["bytes_per_second"]) for row in record["rows"])


def line(row: dict[str, Any], bytes_per_second: float) -> str:
    floor, added_floor = (row[f"bytes_{k}"] / bytes_per_second * 1e6 for k in ("alone", "added"))
    added = row["norm_steered_us"] - row["norm_us"]
    return (
        f"| {row['hidden']} | {row['tokens']} | {floor:.2f} | {row['compiled_us']:.2f} "
        f"| {row['compiled_us'] / floor:.2f} | {row['eager_us']:.2f} | {row['norm_us']:.2f} "
        f"| {row['norm_steered_us']:.2f} | {added:.2f} | {added_floor:.2f} |\n"
    )
