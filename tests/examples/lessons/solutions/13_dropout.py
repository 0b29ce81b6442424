SOLUTION = [
    "keep = self.rng.random((n, 1, 1, channels)) >= self.rate",
    "self.mask = keep / (1 - self.rate)",
    "return dy * self.mask",
]
MISTAKES = {
    "a mask for each pixel": {0: "keep = self.rng.random(x.shape) >= self.rate"},
    "a mask for all images": {0: "keep = self.rng.random((1, 1, 1, channels)) >= self.rate"},
    "a mask for all channels": {0: "keep = self.rng.random((n, 1, 1, 1)) >= self.rate"},
    "axes of the mask missing": {0: "keep = self.rng.random((n, channels)) >= self.rate"},
    "keeps with probability rate": {0: "keep = self.rng.random((n, 1, 1, channels)) < self.rate"},
    "scale forgotten": {1: "self.mask = keep * 1.0"},
    "divided by rate": {1: "self.mask = keep / self.rate"},
    "a new mask in backward": {2: "return dy * (self.rng.random(self.mask.shape) >= self.rate) / (1 - self.rate)"},
    "scale forgotten in backward": {2: "return dy * (self.mask > 0)"},
    "mask forgotten in backward": {2: "return dy"},
    "scaled twice": {2: "return dy * self.mask / (1 - self.rate)"},
    "no comparison": {0: "keep = self.rng.random((n, 1, 1, channels))"},
}
MESSAGES = {
    "a mask for each pixel": ["the pixels of a channel must be on or off together"],
    "a mask for all images": ["each image and each channel needs a random number of its own"],
    "a mask for all channels": ["each image and each channel needs a random number of its own"],
    "axes of the mask missing": ["ValueError", "in forward:  return x * self.mask"],
    "keeps with probability rate": ["of the channels are off: rate is the probability of being off"],
    "scale forgotten": ["the mean of y is 0.7", "divide the mask by 1 - rate"],
    "divided by rate": ["the mean of y is 3.0", "divide the mask by 1 - rate"],
    "a new mask in backward": ["backward draws new random numbers: store the mask"],
    "scale forgotten in backward": ["every entry is 0.75 times the right one"],
    "mask forgotten in backward": ["dx is wrong", "this is dy, unchanged"],
    "scaled twice": ["every entry is 1.33333 times the right one"],
    "no comparison": ["0% of the channels are off: keep must be True or False"],
}
