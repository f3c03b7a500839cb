"""The reference models: a small synthetic world, and what learns from it."""
