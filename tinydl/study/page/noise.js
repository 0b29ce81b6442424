// Dropout and noise.

const masked = {
  y(sum, layer, index) {
    sum.add(entry(layer, "x", ...index), layer.has("kept.mask") ? entry(layer, "kept.mask", ...index) : null);
    if (!layer.has("kept.mask")) sum.note = "rate 0: nothing is dropped";
  },
  dx(sum, layer, index) {
    const mask = layer.has("kept.mask") ? entry(layer, "kept.mask", ...index) : null;
    sum.add(entry(layer, "dy", ...index), mask);
    if (mask) sum.note = "the same mask as in forward" + (mask.value ? "" : ": what was dropped gets no gradient");
  },
};

const GaussianNoise = {
  y(sum, layer, index) {
    const [x, y] = [entry(layer, "x", ...index), entry(layer, "y", ...index)];
    sum.add(x);
    if (!layer.settings.stddev) return;
    sum.add(made("noise", y.value - x.value));
    sum.note = "the noise is y - x";
    sum.proves = false;
  },
  dx(sum, layer, index) {
    copied(sum, layer, "dy", index);
  },
};
