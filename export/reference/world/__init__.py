"""A synthetic world with known truth: people, scenes and cameras, the same for the same seed."""
