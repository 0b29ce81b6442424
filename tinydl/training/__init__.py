"""The parts of Model: checks of its inputs, the flat vectors, the training loop, files, Keras' order of weights."""
