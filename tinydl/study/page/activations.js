// The activation layers, and the activation= of other layers.
//
// As in all files of layers, each function adds the terms of one entry to a Sum: y and dx those of an entry of y and dx,
// grads.W those of dW, penalty those of the layer's own term of the loss. They are derived in tinydl/layers.

function activation_of(layer) {
  return layer.settings.activation ?? "linear";
}

// f'(a) at an entry of y; nothing for a linear layer.
function slope(layer, index) {
  const activation = activation_of(layer);
  if (activation === "linear") return null;
  const y = entry(layer, "y", ...index);
  return made(`${activation}'`, ACTIVATIONS[activation].slope(y.value), y);
}

// The factors of da = dy f'(a). 1 - y^2 and y (1 - y) lose digits where a unit is saturated, so dy itself is the scale.
function da(sum, layer, index, times = 1) {
  const dy = entry(layer, "dy", ...index);
  if (["sigmoid", "tanh"].includes(activation_of(layer))) sum.add_scale(dy.value * times);
  return [dy, slope(layer, index)];
}

// A layer that applies one function to every entry: y = f(x), dx = dy f'.
function elementwise(name) {
  return {
    y(sum, layer, index) {
      const x = entry(layer, "x", ...index);
      sum.add(x);
      sum.through(name);
      if (name === "relu") sum.note = x.value > 0 ? "x > 0 passes" : "x <= 0 is cut to 0";
    },
    dx(sum, layer, index) {
      const [dy, y] = [entry(layer, "dy", ...index), entry(layer, "y", ...index)];
      sum.add(dy, made(name === "relu" ? "mask" : `${name}'`, ACTIVATIONS[name].slope(y.value), y));
      if (name === "relu") sum.note = y.value > 0 ? "mask 1: x > 0" : "mask 0: x <= 0 blocks the gradient";
      else sum.add_scale(dy.value);
    },
  };
}

const LeakyReLU = {
  y(sum, layer, index) {
    const x = entry(layer, "x", ...index);
    sum.add(x, made("slope", leak(layer, x)));
  },
  dx(sum, layer, index) {
    const x = entry(layer, "x", ...index);
    sum.add(entry(layer, "dy", ...index), made("slope", leak(layer, x), x));
    sum.note = x.value > 0 ? "slope 1: x > 0" : `slope ${layer.settings.negative_slope}: x <= 0`;
  },
};

function leak(layer, x) {
  return x.value > 0 ? 1 : layer.settings.negative_slope;
}

const Softmax = {
  y(sum, layer, index) {
    const row = row_of(layer, "x", index);
    const largest = Math.max(...row.map((x) => x.value));
    const total = row.reduce((sofar, x) => sofar + Math.exp(x.value - largest), 0);
    const own = row[index.at(-1)];
    const y = sum.add(made("exp(x - max)", Math.exp(own.value - largest), own), made("1/sum exp", 1 / total, ...row));
    sum.add_scale(y * Math.abs(own.value - largest));
    for (const x of row) sum.add_scale((y * Math.exp(x.value - largest) * Math.abs(x.value - largest)) / total);
  },
  dx(sum, layer, index) {
    const i = index.at(-1);
    const y = row_of(layer, "y", index);
    row_of(layer, "dy", index).forEach((dy, j) => {
      sum.add(dy, y[j], made(i === j ? "(1 - y_i)" : "(-y_i)", (i === j ? 1 : 0) - y[i].value, y[i]));
    });
    sum.add_scale(
      sum.terms.reduce((sofar, term) => sofar + Math.abs(term.factors[0].value * term.factors[1].value), 0) *
        y[i].value +
        Math.abs(y[i].value * sum.terms[i].factors[0].value),
    );
  },
};

// The entries that differ from this index only along the last axis.
function row_of(owner, key, index) {
  return range(owner.shape(key).at(-1)).map((k) => entry(owner, key, ...index.slice(0, -1), k));
}
