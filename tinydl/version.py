"""The version of tinydl."""

__version__ = "0.1.0"
