"""The language: IR data structures, one grammar, parser, printer, verifier and interpreter."""
