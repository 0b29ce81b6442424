// Layers that only move numbers.

const Flatten = {
  y(sum, layer, [m, k]) {
    copied(sum, layer, "x", [m, ...unravelled(k, layer.shape("x").slice(1))]);
  },
  dx(sum, layer, [m, ...place]) {
    const shape = layer.shape("x").slice(1);
    copied(sum, layer, "dy", [m, place.reduce((sofar, at, axis) => sofar * shape[axis] + at, 0)]);
  },
};

function unravelled(place, shape) {
  return shape.map((length, axis) => Math.floor(place / product(shape.slice(axis + 1))) % length);
}

const PadChannels = {
  y(sum, layer, index) {
    if (index.at(-1) < layer.shape("x").at(-1)) copied(sum, layer, "x", index);
    else sum.note = "an appended channel of zeros";
  },
  dx(sum, layer, index) {
    copied(sum, layer, "dy", index);
  },
};
