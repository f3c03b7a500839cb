"""What TensorRT's ONNX parser takes: its operators, and its rules as checks of a graph."""
