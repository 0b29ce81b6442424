"""Makes tests a package: otherwise benchmarks could import a package called tests from site-packages instead."""
