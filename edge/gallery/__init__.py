"""Matching: an embedding to a person of the gallery, or to nobody."""
