"""Code that kernels share: compilation and its cache, matrix products, vector instructions, threads, memory, loops."""
