"""Runners: load a model, infer, close."""
