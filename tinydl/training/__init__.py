"""The parts of Model: checks of inputs, the flat vectors, the training loop, files, and Keras's order of weights."""
