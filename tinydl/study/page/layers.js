// The explanations of all layers, by class.

const LAYERS = {
  Dense: { ...Dense, ...regularized },
  Conv2D: { ...Conv2D, ...regularized },
  MaxPool2D,
  AveragePool2D,
  GlobalAveragePool2D,
  ReLU: elementwise("relu"),
  Sigmoid: elementwise("sigmoid"),
  Tanh: elementwise("tanh"),
  LeakyReLU,
  Softmax,
  BatchNorm,
  LayerNorm: normalization,
  LocalResponseNorm,
  Dropout: masked,
  MaskingNoise: masked,
  GaussianNoise,
  Flatten,
  PadChannels,
  Sequential,
  Residual,
  Branches,
  AuxiliaryHead,
  ActivityL1,
  KLSparsity,
  ContractivePenalty,
};

// Public classes of tinydl/layers whose entries are not explained, and why.
const NO_EXPLANATION = {
  Layer: "the base class of all layers computes nothing",
  Container: "the base class of all composites computes nothing",
};
