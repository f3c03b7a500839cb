"""From clips of people to what they do."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge.errors import DecoderMismatchError
from edge.manifest import ClipLogitsDecoder, FollowResize, Manifest
from edge.runner.base import Runner
from edge.types import Verdict
from edge.vision.clips import ClipForm, DueClip
from edge.vision.forward import forward


class ClipClassifier:
    """Says what people do in clips, with the model behind ``runner``.

    form: the clips that it takes. labels: in the model's order.

    Raises DecoderMismatchError where the manifest is no clip classifier's.
    """

    def __init__(self, runner: Runner, manifest: Manifest) -> None:
        spec = manifest.input
        if (
            spec is None
            or not isinstance(manifest.decoder, ClipLogitsDecoder)
            or not isinstance(spec.resize, FollowResize)
        ):
            raise DecoderMismatchError(
                f"bundle {manifest.name} does not classify clips",
                expected="role behaviour with decoder clip_logits",
                found=f"role {manifest.role} with decoder {manifest.decoder.name}",
            )
        assert spec.frames is not None  # as the manifest makes sure of
        assert spec.fps is not None
        self._runner = runner
        self._input = spec
        self._output = manifest.output_names[0]
        self.labels = manifest.labels
        self.form = ClipForm(
            frames=spec.frames,
            fps=spec.fps,
            size=(spec.width.opt, spec.height.opt),
            factor=spec.resize.factor,
        )

    def classify(self, due: Sequence[DueClip]) -> list[Verdict | None]:
        """The likeliest label of each clip, cut as ``form`` says; the confidence is the softmax of
        the logits. None where these are not finite: one odd clip says nothing of the others.

        Raises InferenceError where the model fails, DecoderMismatchError where it does not give one
        logit a label: floating point, ``[N, L]``.
        """
        if not due:
            return []
        clips = [one.pixels for one in due]
        (raw,) = forward(self._runner, self._input, clips, [self._output])
        wanted = (len(due), len(self.labels))
        if raw.shape != wanted or not np.issubdtype(raw.dtype, np.floating):
            raise DecoderMismatchError(
                "the classifier's output does not fit decoder 'clip_logits'",
                expected=f"float{list(wanted)}: one value for each of {', '.join(self.labels)}",
                found=f"{raw.dtype}{list(raw.shape)}",
                remedy="Name the classes in the model's order with --labels A,B,C.",
            )
        logits = np.asarray(raw, np.float64)
        with np.errstate(invalid="ignore"):
            shares = np.exp(logits - logits.max(axis=1, keepdims=True))
            shares /= shares.sum(axis=1, keepdims=True)
        return [
            Verdict(one.track_id, self.labels[int(share.argmax())], float(share.max()))
            if np.isfinite(share).all()
            else None
            for one, share in zip(due, shares, strict=True)
        ]
