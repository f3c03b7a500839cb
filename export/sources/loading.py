"""Which framework a trained model is from, and its Source."""

from __future__ import annotations

from export.sources.base import Source, SourceRequest


def load_source(request: SourceRequest) -> Source:
    """The trained model that ``request`` names. Nothing in a model file is run as code.

    Raises MissingExtraError where its framework is not installed, UsageError where the request
    does not lead to one model, ModelError where the model is damaged, is pickled or holds code,
    does not fit the factory, or cannot be expressed in ONNX.
    """
    raise NotImplementedError(request)
