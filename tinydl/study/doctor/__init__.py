"""doctor: what is wrong with a model that does not learn (see examination.py for the list of checks)."""

from .examination import doctor
from .finding import Finding
from .report import Report

__all__ = ["Finding", "Report", "doctor"]
