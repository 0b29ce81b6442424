"""What kernels are made of: compiling and keeping them, BLAS, vector instructions, threads, memory, inner loops."""
