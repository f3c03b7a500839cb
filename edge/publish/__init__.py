"""Publishers: deliver events to whoever listens."""
