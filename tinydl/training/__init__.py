"""The parts of Model: checks of its inputs, the flat vectors, the training loop, files, and Keras' order of weights."""
