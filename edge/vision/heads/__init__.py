"""Decoders: a detector's raw outputs to detections."""
