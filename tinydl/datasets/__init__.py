"""Data sets, each a module with `load(path=None, ...)` that is imported only when asked for.

    creditcard.py    card payments, some of them frauds: a table of numbers
    cifar10.py       photographs in ten classes
    digits.py        handwritten digits, which come with scikit-learn

A new data set is a new file here, named after it: a `DataFiles` that says what its files are called and where they come
from (locate.py finds and fetches them, for all data sets alike), and `load`, which reads them. Labelled images are
returned as `Images` (images.py), to which the functions of augmentation.py can be given. What else to expect of a data
set, and how to test it without its files, tests/datasets shows.
"""
