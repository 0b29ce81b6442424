"""One file a manner."""
