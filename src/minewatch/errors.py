"""Every error and warning that a caller may catch.

One base class, one short tree. Each error is also the built-in that fits it, so that a caller who
knows nothing of minewatch still catches the right thing.
"""

import pickle
from collections.abc import Sequence


class MinewatchError(Exception):
    """Something minewatch was asked to do could not be done; the message says what to do."""


class InputError(MinewatchError, ValueError):
    """What the caller gave cannot be used as it is."""


class SettingsError(InputError):
    """A setting is unknown, missing or out of range."""


class SitesError(InputError):
    """A table of sites breaks its schema; `faults` lists every fault, one string each."""

    def __init__(self, message: str, faults: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.faults = tuple(faults)


class BandError(InputError):
    """A band is unknown, ambiguous, missing or given twice."""


class LevelError(InputError):
    """Two processing levels (L1C, L2A) were about to be mixed, or none was named."""


class SceneError(InputError):
    """A scene of a catalogue cannot be used: something that its pixels need is not said."""


class PlacementError(InputError):
    """Rows of pixels cannot be tied to places without guessing."""


class NotThereError(MinewatchError, FileNotFoundError):
    """A file, folder or dataset that was named does not exist."""


class AlreadyThereError(MinewatchError, FileExistsError):
    """A result would be overwritten, and the caller did not ask for that."""


class DatasetError(MinewatchError, OSError):
    """A patch dataset on disk is damaged, incomplete or of an unknown version."""


class UnsafeError(MinewatchError):
    """Something from outside tried to leave the place it is allowed."""


class UnsafePickleError(UnsafeError, pickle.UnpicklingError):
    """A pickle holds more than arrays, lists and numbers; it was refused before anything ran."""


class UnsafePathError(UnsafeError, ValueError):
    """A name from outside would reach a file outside the folder it belongs to."""


class DetectorError(MinewatchError, OSError):
    """A saved detector is damaged, incomplete, of an unknown version, or not what its card says."""


class FetchError(MinewatchError, ConnectionError):
    """A file could not be had from the network, or is not the file that was asked for."""


class LockedError(MinewatchError, TimeoutError):
    """Another process is writing to the same place."""


class MissingExtraError(MinewatchError, ImportError):
    """A part of minewatch needs a package that is not installed; the message names the extra."""


class ImageryError(MinewatchError, ConnectionError):
    """A source of imagery did not answer, or not with what was asked, after every retry."""


class ContextError(MinewatchError, ConnectionError):
    """A source of map data did not answer, or not with what was asked, after every retry."""


class CredentialsError(MinewatchError, PermissionError):
    """A source of imagery wants an account, and there is none or it is not allowed."""


class IncompleteError(MinewatchError):
    """The work ended, but some of it failed; what was done is kept and the failures are listed."""


class MinewatchWarning(UserWarning):
    """Base of every warning minewatch gives, so that a caller may silence or escalate them."""


class UnplacedWarning(MinewatchWarning):
    """Patches were imported without coordinates, because nothing said where they lie."""


class UnlabelledWarning(MinewatchWarning):
    """No site or patch has a label, though something looks as if it held labels, or should."""


class RenamedWarning(MinewatchWarning):
    """Sites got new ids, for their column of ids lacks some or gives one twice."""


class RoundedWarning(MinewatchWarning):
    """Pixel values could not be stored exactly; the message says by how much they changed."""


class CoverageWarning(MinewatchWarning):
    """A map file holds a part of the area that was asked for, or no feature in it."""


class EarlierWarning(MinewatchWarning):
    """Next to no detection meets one of an earlier period: what is new cannot be told from them."""


class ShapeWarning(MinewatchWarning):
    """Rows without a shape were left out, or rings that cross themselves were mended."""


class OffsetWarning(MinewatchWarning):
    """Values look as if the +1000 of processing baseline 04.00 were still in them."""


class SharedDriveWarning(MinewatchWarning):
    """A file that several programs open at once is on a drive that does not let them."""


def one_line(error: BaseException) -> str:
    r"""Give an error's message in one line; its kind where it says nothing.

    Examples
    --------
    >>> one_line(OSError("no space\n   left")), one_line(TimeoutError())
    ('no space left', 'TimeoutError')
    """
    return " ".join(str(error).split()) or type(error).__name__
