"""Planning: buffers, arena offsets, streams and launches."""
