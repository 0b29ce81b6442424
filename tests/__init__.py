"""A package, so that another one called tests in site-packages cannot stand in its place: benchmarks import tests.proofs."""
