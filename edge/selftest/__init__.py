"""The self-test: rendered people through the live pipeline, and whether what they do arrives."""
