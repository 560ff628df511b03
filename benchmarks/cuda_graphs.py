"""PyTorch's calls in CUDA graphs, the way they are fastest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


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
