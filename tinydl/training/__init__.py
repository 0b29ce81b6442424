"""What Model delegates: the checks of what comes in, the flat vectors, the loop, the files, Keras' order of weights."""
