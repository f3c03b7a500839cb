"""How far one picture is from another: MSE, PSNR and SSIM.

Both pictures are uint8 of one size. MSE is in squared grey levels, 0..65025; PSNR is
10 · log10(255² / MSE) in dB, infinite for equal pictures; SSIM is Wang et al., "Image Quality
Assessment: From Error Visibility to Structural Similarity", IEEE TIP 13, 2004, over 7 × 7 windows.
"""

from __future__ import annotations

from dataclasses import dataclass

from edge.errors import UsageError
from edge.extras import needing
from edge.types import ByteImage

_LEAST_SIDE = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Likeness:
    """One pair of pictures. ssim: −1..1, 1 for equal ones."""

    mse: float
    psnr: float
    ssim: float


def compare_pictures(reference: ByteImage, actual: ByteImage, *, name: str) -> Likeness:
    """Hold one picture, uint8 ``[H, W, 3]``, against another.

    name: of the pair, for errors. Raises UsageError where their sizes differ or they are smaller
    than 7 × 7, MissingExtraError without scikit-image.
    """
    if reference.shape != actual.shape or min(reference.shape[:2]) < _LEAST_SIDE:
        raise UsageError(
            f"the two pictures of {name} cannot be compared",
            expected=f"one size, of {_LEAST_SIDE} × {_LEAST_SIDE} pixels or more",
            found=" and ".join(f"{one.shape[1]} × {one.shape[0]}" for one in (reference, actual)),
        )
    with needing("comparing pictures"):
        from skimage import metrics
    mse = float(metrics.mean_squared_error(reference, actual))
    return Likeness(
        mse=mse,
        psnr=float("inf")
        if mse == 0
        else float(metrics.peak_signal_noise_ratio(reference, actual, data_range=255)),
        ssim=float(
            metrics.structural_similarity(reference, actual, data_range=255, channel_axis=2)
        ),
    )
