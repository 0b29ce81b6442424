"""A package, so that no package called tests in site-packages is imported instead: benchmarks use tests.proofs."""
