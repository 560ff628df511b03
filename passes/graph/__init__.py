"""Hardware-independent rewrites of the nn dialect; one file a pass."""
