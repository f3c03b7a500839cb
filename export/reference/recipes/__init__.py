"""Recipes: what is learned from the synthetic world, from seed to exported weights."""
