"""Models that give pictures: how near they are, pixel by pixel and in structure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from calibration.likeness import compare_pictures
from edge.manifest import Manifest
from edge.runner.base import Runner, Tensor
from edge.types import ByteImage
from edge.vision.generator import to_clips
from export.judgement import Bound
from export.measures.base import Measure, Study

# Mean PSNR in dB and mean SSIM. 35 dB is an error of 4.5 grey levels, about what a good JPEG costs
# and nobody sees. What a generator draws is nobody's likeness: 30 dB, 8 grey levels, leave the same
# picture.
PSNR = {"enhancer": 35.0, "anonymiser": 30.0, "synthesiser": 30.0}
SSIM = {"enhancer": 0.95, "anonymiser": 0.9, "synthesiser": 0.9}
_MOST_PSNR = 100.0  # equal pictures have no finite one


class PictureMeasure(Measure):
    """PSNR and SSIM of each picture, 8 bits a channel, against the reference's for the same input.

    The reference runs again for every variant: its pictures would not fit into memory.
    """

    def __init__(self, manifest: Manifest, reference: Runner, study: Study) -> None:
        self._runner = reference
        super().__init__(manifest, reference, study)

    def _keep(self, reference: Runner) -> int:
        return sum(1 for _ in self.study.samples.feeds())

    def _compare(self, variant: Runner) -> tuple[Mapping[str, float], Sequence[Bound]]:
        self._runner.load()  # whoever opened it for the first run may have closed it since
        psnr, ssim = np.empty(self.count), np.empty(self.count)
        for index, feeds in enumerate(self.study.samples.feeds()):
            first, second = (self._picture(runner, feeds) for runner in (self._runner, variant))
            likeness = compare_pictures(first, second, name=f"sample {index + 1}")
            psnr[index] = min(likeness.psnr, _MOST_PSNR)
            ssim[index] = likeness.ssim
        role = self.manifest.role
        bounds = (
            self.study.mean("PSNR mean, dB", psnr, PSNR[role]),
            self.study.mean("SSIM mean", ssim, SSIM[role]),
        )
        figures = {
            "psnr_mean": bounds[0].value,
            "psnr_min": float(psnr.min()),
            "ssim_mean": bounds[1].value,
        }
        return figures, bounds

    def _picture(self, runner: Runner, feeds: Mapping[str, Tensor]) -> ByteImage:
        output = self.manifest.outputs[0]
        assert output.range is not None  # the manifest's own rule for this decoder
        # The frames of a clip one below the other: all of them count alike.
        return np.concatenate(to_clips(runner.infer(feeds)[output.name], output.range)[0])
