"""Edgewarden's runtime: what a camera needs to see, recognise and report."""

__version__ = "0.1.0"
