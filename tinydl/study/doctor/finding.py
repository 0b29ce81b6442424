"""What the doctor finds: Fault, a kind of trouble with its explanation, and Finding, a fault seen in one model."""

from __future__ import annotations

from dataclasses import dataclass

LONGEST = 200  # characters of a message that is quoted


@dataclass(frozen=True)
class Finding:
    """One fault of one model.

    code     the name of the fault, such as "double-softmax"
    where    the layer, by its path in the model, or the argument: "x", "y", "sample_weight", "optimizer", "loss"
    seen     what was seen, with its figures
    why      why it matters
    change   what to change
    """

    code: str
    where: str
    seen: str
    why: str
    change: str

    def __str__(self) -> str:
        return f"{self.code} ({self.where})\n  seen    {self.seen}\n  why     {self.why}\n  change  {self.change}"


@dataclass(frozen=True)
class Fault:
    """A kind of trouble: `sign` says when it is found, `why` and `change` are those of its findings."""

    code: str
    sign: str
    why: str
    change: str

    def found(self, where: str, seen: str, change: str | None = None) -> Finding:
        """The finding; `change` if there is a more exact one for this case."""
        return Finding(self.code, where, seen, self.why, change or self.change)


def one_line(error: Exception) -> str:
    """The message of an error on one line, not too long."""
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


class NotCheckedError(Exception):
    """Raised by a check that cannot decide; its text is the reason."""
