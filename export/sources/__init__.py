"""Trained models as their frameworks save them, turned into ONNX that can be held against them."""
