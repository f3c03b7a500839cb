from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from edge.config import Site, load_site
from edge.errors import SiteFileError

Load = Callable[[str], Site]
Refuse = Callable[[str], str]

MINIMAL = """
[site]
id = "hq"
node = "gate-01"
[models]
detector = "bundles/yunet-n"
"""


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Write a site file and load it."""

    def load_text(text: str) -> Site:
        path = tmp_path / "site.toml"
        path.write_text(text, encoding="utf-8")
        return load_site(path)

    return load_text


@pytest.fixture
def load_more(load: Load) -> Load:
    """Load the smallest site file with this text after it."""
    return lambda text: load(MINIMAL + text)


@pytest.fixture
def refuse(load: Load) -> Refuse:
    """Load a site file that has to be refused; what the error says after the file's name."""

    def refuse_text(text: str) -> str:
        with pytest.raises(SiteFileError) as caught:
            load(text)
        assert caught.value.exit_code == 2
        said = str(caught.value)
        assert "site.toml" in said
        return said.partition("site.toml")[2]

    return refuse_text


@pytest.fixture
def refuse_more(refuse: Refuse) -> Refuse:
    """As ``refuse``, for text after the smallest site file; just its problems, one a line."""

    def refuse_text(text: str) -> str:
        count, *problems = refuse(MINIMAL + text).splitlines()
        assert count.startswith(f": {len(problems)} problem")
        return "\n".join(problem.strip() for problem in problems)

    return refuse_text
