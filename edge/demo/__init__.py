"""The demo: the reference pack's clip through the daemon, and what a consumer got to hear of it."""
