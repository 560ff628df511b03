"""Code generation: tile IR to source text, source text to binary."""
