"""How much memory choosing and going through pictures takes, each count in a process of its own.

    python -m tests.calibration.data.memory 500 50000

Writes as many small pictures as the largest count to a temporary folder first.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from calibration.dataset import open_set
from tests.calibration.data.conftest import manifest_of


def _write(folder: Path, count: int) -> None:
    random = np.random.default_rng(0)
    for number in range(count):
        place = folder / f"{number // 1000:03}"
        place.mkdir(exist_ok=True)
        picture = random.integers(0, 256, (16, 16, 3), np.uint8)
        cv2.imwrite(str(place / f"{number:06}.png"), picture)


def _measure(folder: Path, count: int) -> None:
    start = time.monotonic()
    chosen = open_set([folder], manifest_of("ultraface", 128, 128), count=count)
    seconds = [time.monotonic() - start]
    for _ in range(2):
        start = time.monotonic()
        passed = sum(1 for _ in chosen.feeds())
        assert passed == chosen.count == count
        seconds.append(time.monotonic() - start)
    peak = next(
        line.split()[1]
        for line in Path("/proc/self/status").read_text().splitlines()
        if line.startswith("VmHWM")
    )
    spans = ", ".join(f"{one:.1f}" for one in seconds)
    print(f"{count} pictures: {int(peak) / 1024:.1f} MiB at most; chosen, passes: {spans} s")


def main() -> None:
    """Measure each count."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("counts", nargs="+", type=int)
    parser.add_argument("--folder", type=Path, help="pictures that are there already")
    arguments = parser.parse_args()
    if arguments.folder:
        _measure(arguments.folder, arguments.counts[0])
        return
    with tempfile.TemporaryDirectory() as name:
        _write(Path(name), max(arguments.counts))
        for count in arguments.counts:
            words = [sys.executable, "-m", __spec__.name, str(count), "--folder", name]
            subprocess.run(words, check=True)


if __name__ == "__main__":
    main()
