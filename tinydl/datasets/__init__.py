"""Data sets, each a module with `load(path=None, ...)` that is imported only when asked for."""
