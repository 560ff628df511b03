"""Hardware-aware lowering: strategies, memory placement, pipelining and mapping."""
