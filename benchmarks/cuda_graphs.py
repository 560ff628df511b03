"""PyTorch's calls in CUDA graphs, the way they are fastest, and the time between two events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

BUSY_CYCLES = 4_000_000
"""How long the GPU waits before a timed stretch: about two milliseconds."""


def graphed(torch: Any, call: Callable[[], object]) -> Callable[[], object]:
    """`call`, work of the module `torch`, captured in a CUDA graph; the result replays it."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            call()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        call()
    return graph.replay


def milliseconds(torch: Any, run: Callable[[], object], calls: int) -> float:
    """The mean duration of a call between two events, all launches waiting in the stream."""
    torch.cuda._sleep(BUSY_CYCLES)
    begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    begin.record()
    for _ in range(calls):
        run()
    end.record()
    torch.cuda.synchronize()
    return begin.elapsed_time(end) / calls
