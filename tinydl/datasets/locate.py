"""Find a data set's files, with the same search order, error and download for all data sets.

    FILES = DataFiles("CIFAR-10", ("cifar-10-batches-py", "cifar-10-python.tar.gz"), origin="https://...", md5="...")
    place = FILES.locate(path, download=download)

The search order is: the given path; the folder named by the environment variable TINYDL_DATA; the cache, which is the
folder named by TINYDL_CACHE, or else the user's cache folder (~/.cache/tinydl on Linux). If a path is given, only
that path is searched: nothing is read or fetched from elsewhere.
"""

from __future__ import annotations

import gzip
import io
import os
from dataclasses import dataclass
from pathlib import Path

from ..files import PathLike, user_cache_folder

__all__ = ["DataFiles", "cache", "open_unzipped"]


@dataclass(frozen=True)
class DataFiles:
    """The names of a data set's files, and where they come from.

    title    the data set's name, for messages
    names    names of the files or folders to look for, in order of preference
    parts    for data sets of several files: a folder that holds one of these is the data set itself
    origin   where the files are published: a URL or a description
    instead  an alternative that needs no files, for the message that nothing was found
    md5      the checksum of the file at `origin`, if `origin` is a URL that `fetch` can download
    """

    title: str
    names: tuple[str, ...]
    origin: str
    parts: tuple[str, ...] = ()
    instead: str = ""
    md5: str = ""

    def locate(self, path: PathLike | None = None, *, download: bool = False) -> Path:
        """The data's file or folder: the result of `find` or else, if `download` is set, of `fetch`.

        FileNotFoundError: as for `find`, or nothing was found. Other errors: as for `fetch`.
        """
        if found := self.find(path):
            return found
        if download:
            return self.fetch()
        raise self.missing()

    def find(self, path: PathLike | None = None) -> Path | None:
        """The data's file or folder: in `path` if given, else in TINYDL_DATA or the cache; None if not found.

        FileNotFoundError: the given path does not exist, or holds none of the names. TypeError: it is no path.
        """
        if path is None:
            folder = os.environ.get("TINYDL_DATA")
            places = [*([Path(folder).expanduser()] if folder else []), cache()]
            return next(filter(None, map(self._find_in, places)), None)
        if not isinstance(path, str | os.PathLike):
            raise TypeError(f"{self.title}: path must be a file or a folder, got {path!r:.100}: write it as a string")
        given = Path(path).expanduser()
        found = self._find_in(given)
        if found is None:
            trouble = "is a pipe or a device" if given.exists() else "does not exist"
            trouble = f"holds neither {' nor '.join(self.names)}" if given.is_dir() else trouble
            raise FileNotFoundError(f"{self.title}: path={str(path)!r} {trouble}. {self._what_to_do}")
        return found

    @property
    def _what_to_do(self) -> str:
        """Advice on how to provide the data, in a program or on the command line."""
        return (
            f"Pass the path of {' or '.join(self.names)}, or of a folder that holds it (from {self.origin}). Without "
            "a path, TINYDL_DATA may name the folder; download=True (--download on the command line) fetches the data"
        )

    def _find_in(self, place: Path) -> Path | None:
        """`place` if it is the data set itself, else the data set's file or folder in it, else None."""
        for candidate in (place, *(place / name for name in self.names)):
            if candidate.is_file() or any((candidate / part).is_file() for part in self.parts):
                return candidate
        return None

    def missing(self) -> FileNotFoundError:
        """The error for data that were not found; it lists the names, the places searched and the remedies."""
        folder = os.environ.get("TINYDL_DATA")
        return FileNotFoundError(
            f"{self.title} was not found: looked for {', '.join(self.names)} in TINYDL_DATA "
            f"({folder or 'which is not set'}) and in the cache ({cache()}). "
            f"{self._what_to_do}{'; ' * bool(self.instead)}{self.instead}"
        )

    def fetch(self) -> Path:
        """Download the file at `origin` into the cache and check it; this needs pooch.

        pooch renames its temporary file once the checksum is right, so the cache never holds a partial file.

        ImportError: pooch is missing. OSError: the download failed. ValueError: the checksum is wrong.
        """
        try:
            import pooch
        except ImportError as error:
            raise ImportError("load(download=True) needs the package pooch: pip install pooch") from error
        name = self.origin.rpartition("/")[2]
        try:
            return Path(pooch.retrieve(self.origin, f"md5:{self.md5}", fname=name, path=cache(), progressbar=True))
        except ValueError as error:
            trouble = f"the download from {self.origin} is not {self.title}'s file (its MD5 is not {self.md5})"
            mend = "try again, or get the file elsewhere and use load(path=...)"
            raise ValueError(f"{trouble}, so it was deleted: {mend}") from error
        except OSError as error:
            trouble = f"{self.origin} could not be fetched ({error})"
            raise OSError(f"{trouble}: get the file elsewhere and use load(path=...)") from error


def cache() -> Path:
    """The folder for downloads, which may not exist yet."""
    own = os.environ.get("TINYDL_CACHE")
    return Path(own).expanduser() if own else user_cache_folder()


def open_unzipped(path: Path) -> gzip.GzipFile | io.BufferedReader:
    """Open a file to read it uncompressed; its first bytes show whether it is gzip (browsers may unpack files)."""
    with path.open("rb") as file:
        is_gzip = file.read(2) == b"\x1f\x8b"
    return gzip.open(path) if is_gzip else path.open("rb")
