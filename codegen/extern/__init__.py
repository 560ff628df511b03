"""Library kernels as further candidates."""
