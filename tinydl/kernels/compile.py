"""@kernel: how every function of the hot path is compiled, and when its compiled form is still good."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numba import njit

# Numba's cache on disk looks at the file a function stands in, and not at those it calls into: after an edit of blas.py
# alone it would go on using the old product inside every layer's kernel. So the text of all kernels is part of the name
# under which each is cached.
_fingerprint = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py"))))


def kernel(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Compiled at the first call for the dtypes it gets, kept on disk; runs without holding Python's lock."""

    def decorate(function: Callable[..., Any]) -> Any:
        function.__qualname__ += f"_{_fingerprint.hexdigest()[:12]}"
        return njit(cache=True, nogil=True, **options)(function)

    return decorate
