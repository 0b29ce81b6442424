"""Data sets, one per module, each read by `load(path=None, ...)`; a module is imported when it is first used.

    creditcard.py    card payments, a few of them fraudulent: a table of numbers
    cifar10.py       photographs in ten classes
    digits.py        handwritten digits, included in scikit-learn
    movielens.py     ratings of films by users; synthetic_ratings.py generates such ratings, without files

To add a data set, write one new module in this folder. The module lists the data set's files and where they are
published; locate.py finds and downloads the files in the same way for all data sets:

    FILES = DataFiles("Flowers", ("flowers.csv",), origin="https://example.org/flowers.csv", md5="...")

    def load(path=None, *, download=False):
        file = FILES.locate(path, download=download)
        ...

Labeled images are returned as `Images` (images.py), which the functions in augmentation.py can change, and ratings as
`FilmRatings` (film_ratings.py). tests/datasets
shows how to test a data set without its files.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from . import augmentation, cifar10, creditcard, digits, film_ratings, images, movielens, synthetic_ratings

__all__ = [
    "augmentation", "cifar10", "creditcard", "digits", "film_ratings", "images", "movielens", "synthetic_ratings",
]  # fmt: skip


def __getattr__(name: str) -> ModuleType:
    """Import a data set's module when it is first used: `tinydl.datasets.digits`."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return import_module(f".{name}", __name__)


def __dir__() -> list[str]:
    return sorted(__all__)
