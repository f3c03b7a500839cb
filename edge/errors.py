"""Every error that Edgewarden raises on purpose, in one tree.

The branches say what the caller can do about it::

    EdgewardenError
    ├── TransientError             retry: state is whole, the same call may succeed later
    │   ├── StoreBusyError             another process holds the database
    │   ├── StoreFullError             no room left on the disk
    │   ├── StreamBrokenError          a stream ended before its end
    │   ├── InferenceError             a model that had loaded fails while it runs
    │   └── DaemonAbsentError          no daemon is running
    ├── UsageError                 reconfigure: what the user gave has to change
    │   ├── SiteFileError              the site file does not say what it must
    │   ├── MediaError                 an image or video cannot be opened
    │   │   └── MediaTooLargeError         it has more pixels than we decode
    │   ├── EnrolmentError             these pictures do not enrol this person
    │   ├── GalleryError               no such person, or templates of another model
    │   ├── OutputError                a file cannot be written there
    │   ├── EventError                 this is no event of a known type
    │   ├── MissingExtraError          an optional package is not installed
    │   ├── GpuError                   no NVIDIA driver, GPU or TensorRT that serves
    │   └── StoreVersionError          the database was written by a newer version
    ├── BundleError                rebuild: the model or its bundle has to be made anew
    │   ├── ManifestError              the manifest is not one
    │   ├── UnsupportedFormatError     the bundle is of an unknown major format
    │   ├── BundleIntegrityError       the folder is not what the manifest lists
    │   ├── SignatureError             unsigned, badly signed, or by an untrusted key
    │   ├── ModelError                 the model does not load, or runs here not at all
    │   ├── DecoderMismatchError       the model's outputs do not fit the decoder
    │   └── EngineError                an engine is not built, or not built for this
    └── FatalError                 give up: only a new process helps
        ├── ClosedError                used before load, or after close
        └── StoreCorruptError          the database is damaged

A message says what was expected, what was found and what to do about it.
"""

from __future__ import annotations


class EdgewardenError(Exception):
    """The root. ``exit_code`` is what a command ends with: 1 failed while running, 2 bad input."""

    exit_code = 1

    def __init__(
        self, message: str, *, expected: str = "", found: str = "", remedy: str = ""
    ) -> None:
        self.message = message
        self.expected = expected
        self.found = found
        self.remedy = remedy
        super().__init__(message)

    def __str__(self) -> str:
        parts = [self.message]
        if self.expected:
            parts.append(f"expected {self.expected}")
        if self.found:
            parts.append(f"found {self.found}")
        text = "; ".join(parts)
        return f"{text}. {self.remedy}" if self.remedy else text


class TransientError(EdgewardenError):
    """Retry: state is whole and the same call may succeed later."""


class StoreBusyError(TransientError):
    """Another process holds the database."""


class StoreFullError(TransientError):
    """No room is left for the database or file."""


class StreamBrokenError(TransientError):
    """A stream ended before its end; every frame up to there was delivered."""


class InferenceError(TransientError):
    """A model that had loaded fails on what it is given, or gives no usable numbers for it."""


class DaemonAbsentError(TransientError):
    """No daemon answers at the control socket."""


class UsageError(EdgewardenError):
    """Reconfigure: what the user gave has to change."""

    exit_code = 2


class SiteFileError(UsageError):
    """The site file does not say what it must."""


class MediaError(UsageError):
    """An image or video cannot be opened or holds nothing to look at."""


class MediaTooLargeError(MediaError):
    """An image or video has more pixels than we are willing to decode."""


class EnrolmentError(UsageError):
    """The given pictures do not enrol this person; nothing was written."""


class GalleryError(UsageError):
    """No such person, or templates of another model."""


class OutputError(UsageError):
    """A file cannot be written where it was asked for."""


class EventError(UsageError):
    """These bytes are no event of a type that this version knows."""


class MissingExtraError(UsageError):
    """An optional package that this needs is not installed."""


class GpuError(UsageError):
    """There is no NVIDIA driver, no GPU that it serves, or no TensorRT here."""


class StoreVersionError(UsageError):
    """The database was written by a newer version of Edgewarden."""


class BundleError(EdgewardenError):
    """Rebuild: the model or its bundle has to be made anew."""

    exit_code = 2


class ManifestError(BundleError):
    """The manifest is missing, is not JSON, or does not keep the contract."""


class UnsupportedFormatError(ManifestError):
    """The bundle is of a major format that this version does not know."""


class BundleIntegrityError(BundleError):
    """The folder holds something else than what its manifest lists."""


class SignatureError(BundleError):
    """The bundle is unsigned, badly signed, or signed by a key that is not trusted."""


class ModelError(BundleError):
    """The model file does not load, does not run here, or takes and gives other tensors."""


class DecoderMismatchError(BundleError):
    """The model's inputs or outputs do not fit what its decoder reads."""


class EngineError(BundleError):
    """An engine cannot be built from this model, or was not built for this device."""


class FatalError(EdgewardenError):
    """Give up: only a new process, or a person, helps."""


class ClosedError(FatalError):
    """Something was used before it was loaded or after it was closed."""


class StoreCorruptError(FatalError):
    """The database is damaged."""
