"""Code that kernels share: compilation and its cache, BLAS, vector instructions, threads, memory, inner loops."""
