"""The daemon with other supplies for its self-test: ``python -m tests.selftest.program FOLDER …``.

FOLDER holds ``material`` and ``bundles/<role>``; what follows is what ``edgewarden run`` is given.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from edge.config import read_environment
from edge.ops.logs import configure_logging
from edge.selftest.material import Material, read_material
from edge.service import Service


def main() -> None:
    folder, *words = sys.argv[1:]
    supplies = Path(folder)

    def take() -> tuple[Material, Mapping[str, Path]]:
        bundles = {path.name: path for path in (supplies / "bundles").iterdir()}
        return read_material(supplies / "material"), bundles

    environment = read_environment()
    configure_logging(level="info", log_format="text", journal_stream=None)
    site = Path(words[words.index("--config") + 1])
    events = Path(words[words.index("--events") + 1]) if "--events" in words else None
    Service(site, environment=environment, events=events, supplies=take).run()


if __name__ == "__main__":
    main()
