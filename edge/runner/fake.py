"""A runner that computes with a plain function: for tests, and to try the loop without models."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from edge.runner.base import Runner, Signature, Tensor


class FakeRunner(Runner):
    """Answers with ``function(feeds)`` under the signature given.

    ``batches`` records the batch of every call, so that a test can see how a batch was split.
    """

    def __init__(
        self,
        signature: Signature,
        function: Callable[[Mapping[str, Tensor]], dict[str, Tensor]],
        *,
        max_batch: int | None = None,
    ) -> None:
        super().__init__(max_batch=max_batch)
        self._promised = signature
        self._function = function
        self.batches: list[int] = []
        self.closed = False

    def _load(self) -> Signature:
        return self._promised

    def _infer(self, feeds: Mapping[str, Tensor]) -> dict[str, Tensor]:
        self.batches.append(len(next(iter(feeds.values()))))
        return self._function(feeds)

    def _close(self) -> None:
        self.closed = True
