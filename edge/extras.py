"""Optional packages, and the extra of the distribution that brings each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from edge.errors import MissingExtraError

# What a plain install may lack. Frameworks are of use to export alone, which has packages too.
_EXTRAS = {"cv2": "cpu", "pycuda": "jetson"} | {
    **dict.fromkeys(("onnx", "onnxslim", "scipy", "skimage", "sklearn", "sympy"), "export"),
    **dict.fromkeys(("jinja2", "matplotlib"), "export"),
    **dict.fromkeys(("keras", "onnxscript", "torch"), "export,train"),
}


@contextmanager
def needing(what: str) -> Iterator[None]:
    """Around the imports of optional packages that ``what`` needs.

    Raises MissingExtraError, which says what to install, in place of ImportError.
    """
    try:
        yield
    except ImportError as exc:
        raise missing_extra(what, exc) from exc


def missing_extra(what: str, exc: ImportError) -> MissingExtraError:
    """The error that says which package ``what`` needs, and how to get it."""
    package = package_of(exc)
    extra = _EXTRAS.get(package)
    return MissingExtraError(
        f"{what} needs {package or 'a package'}, which does not import",
        found=str(exc),
        remedy=(
            f"Run: pip install 'edgewarden[{extra}]' (in a clone: '.[{extra}]')"
            if extra
            else "Install it."
        ),
    )


def is_optional(exc: ImportError) -> bool:
    """Whether what did not import is a package of some extra."""
    return package_of(exc) in _EXTRAS


def package_of(exc: ImportError) -> str:
    """The package that did not import; empty where the error does not say."""
    return (exc.name or "").partition(".")[0]
