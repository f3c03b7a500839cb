"""Models that give pictures: how near they are, pixel by pixel and in structure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import MissingExtraError
from edge.manifest import Manifest, Role
from edge.runner.base import Runner, Tensor
from export.judgement import Bound
from export.measures.base import Measure, Study

# Mean PSNR in dB and mean SSIM. 35 dB is an error of 4.5 grey levels, about what a good JPEG costs
# and nobody sees. What a generator draws is nobody's likeness: 30 dB, 8 grey levels, leave the same
# picture.
PSNR = {"enhancer": 35.0, "anonymiser": 30.0, "synthesiser": 30.0}
SSIM = {"enhancer": 0.95, "anonymiser": 0.9, "synthesiser": 0.9}
_MOST_PSNR = 100.0  # equal pictures have no finite one
_WINDOW = 7

_Picture = NDArray[np.float64]


class PictureMeasure(Measure):
    """PSNR and SSIM of each picture against the reference's for the same input.

    The reference runs again for every variant: its pictures would not fit into memory.
    """

    def __init__(self, manifest: Manifest, reference: Runner, study: Study) -> None:
        self._runner = reference
        super().__init__(manifest, reference, study)

    def _keep(self, reference: Runner) -> int:
        return sum(1 for _ in self.study.samples.feeds())

    def _compare(self, variant: Runner) -> tuple[Mapping[str, float], Sequence[Bound]]:
        similarity = _structural_similarity()
        psnr, ssim = [], []
        for feeds in self.study.samples.feeds():
            first, second = (self._picture(runner, feeds) for runner in (self._runner, variant))
            psnr.append(_psnr(first, second))
            if min(first.shape[:2]) >= _WINDOW:
                ssim.append(float(similarity(first, second, data_range=1.0, channel_axis=2)))
        role: Role = self.manifest.role
        bounds = [self.study.mean("PSNR mean, dB", np.asarray(psnr), PSNR[role])]
        figures = {"psnr_mean": bounds[0].value, "psnr_min": min(psnr)}
        if ssim:
            bounds.append(self.study.mean("SSIM mean", np.asarray(ssim), SSIM[role]))
            figures["ssim_mean"] = bounds[1].value
        return figures, bounds

    def _picture(self, runner: Runner, feeds: Mapping[str, Tensor]) -> _Picture:
        """The first picture, ``[H, W, C]``, black 0 and white 1, cut there as a display would."""
        output = self.manifest.outputs[0]
        assert output.range is not None  # the manifest's own rule for this decoder
        low, high = output.range
        given = np.asarray(runner.infer(feeds)[output.name], np.float64)[0]
        value: _Picture = np.clip((given - low) / (high - low), 0, 1)
        planar = value.shape[0] in (1, 3) and value.shape[2] not in (1, 3)
        return np.moveaxis(value, 0, 2) if planar else value


def _psnr(first: _Picture, second: _Picture) -> float:
    error = float(np.square(first - second).mean())
    return _MOST_PSNR if error == 0 else min(_MOST_PSNR, -10 * float(np.log10(error)))


def _structural_similarity() -> Any:
    try:
        from skimage.metrics import structural_similarity
    except ImportError as exc:
        raise MissingExtraError(
            "comparing pictures needs scikit-image",
            found=str(exc),
            remedy="Run: pip install 'edgewarden[export]'",
        ) from exc
    return structural_similarity
