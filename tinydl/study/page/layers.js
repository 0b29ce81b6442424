// For each class of tinydl's layers: how an entry of y, dx and of each gradient comes about, from the arrays of the step.
// Each function adds the terms of one entry to a Sum. The derivations stand in the docstrings of tinydl/layers.

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

function range(length) {
  return Array.from({ length }, (_, k) => k);
}

function window_of(layer) {
  const [[kh, kw], [sh, sw], [[top], [left]]] = layer.settings.window;
  return { kh, kw, sh, sw, top, left };
}

// The pixels under window (i, j): [p, q, u, v] with x[m, u, v, c] under the window's entry (p, q). Padding is left out.
function* pixels(layer, i, j) {
  const { kh, kw, sh, sw, top, left } = window_of(layer);
  const [, h, w] = layer.shape("x");
  for (let p = 0; p < kh; p++) {
    for (let q = 0; q < kw; q++) {
      const [u, v] = [i * sh + p - top, j * sw + q - left];
      if (u >= 0 && u < h && v >= 0 && v < w) yield [p, q, u, v];
    }
  }
}

// The windows that contain pixel (u, v): [p, q, i, j] where it is entry (p, q) of window (i, j).
function* windows(layer, u, v) {
  const { kh, kw, sh, sw, top, left } = window_of(layer);
  const [, oh, ow] = layer.shape("y");
  for (let p = 0; p < kh; p++) {
    for (let q = 0; q < kw; q++) {
      const [i, j] = [(u + top - p) / sh, (v + left - q) / sw];
      if (Number.isInteger(i) && Number.isInteger(j) && i >= 0 && i < oh && j >= 0 && j < ow) yield [p, q, i, j];
    }
  }
}

// --- Dense and Conv2D ------------------------------------------------------------------------------------------------

const Dense = {
  y(sum, layer, [m, j]) {
    for (const i of range(layer.shape("x")[1])) sum.add(entry(layer, "x", m, i), entry(layer, "params.W", i, j));
    if (layer.has("params.b")) sum.add(entry(layer, "params.b", j));
    sum.through(activation_of(layer));
  },
  dx(sum, layer, [m, i]) {
    for (const j of range(layer.shape("y")[1])) {
      const W = entry(layer, "params.W", i, j);
      sum.add(...da(sum, layer, [m, j], W.value), W);
    }
  },
  grads: {
    W(sum, layer, [i, j]) {
      for (const m of range(layer.rows)) {
        const x = entry(layer, "x", m, i);
        sum.add(x, ...da(sum, layer, [m, j], x.value));
      }
    },
    b(sum, layer, [j]) {
      for (const m of range(layer.rows)) sum.add(...da(sum, layer, [m, j]));
    },
  },
};

const Conv2D = {
  y(sum, layer, [m, i, j, f]) {
    const channels = layer.shape("x")[3];
    let inside = 0;
    for (const [p, q, u, v] of pixels(layer, i, j)) {
      inside++;
      for (let c = 0; c < channels; c++) sum.add(entry(layer, "x", m, u, v, c), entry(layer, "params.W", p, q, c, f));
    }
    const { kh, kw } = window_of(layer);
    if (inside < kh * kw) sum.note = `${kh * kw - inside} of the window's ${kh * kw} pixels lie in the padding, which is 0`;
    if (layer.has("params.b")) sum.add(entry(layer, "params.b", f));
    sum.through(activation_of(layer));
    if (in_tiles(layer)) sum.add_scale(tile_scale(layer, "x", [m, i, j], range(channels).map((c) => [c, f])));
  },
  dx(sum, layer, [m, u, v, c]) {
    for (const [p, q, i, j] of windows(layer, u, v)) {
      for (const f of range(layer.shape("y")[3])) {
        const W = entry(layer, "params.W", p, q, c, f);
        sum.add(...da(sum, layer, [m, i, j, f], W.value), W);
      }
    }
    if (!sum.terms.length) sum.note = "no window contains this pixel";
    const filters = range(layer.shape("y")[3]).map((f) => [c, f]);
    if (in_tiles(layer)) sum.add_scale(tile_scale(layer, "dy", [m, u, v], filters));
  },
  grads: {
    W(sum, layer, [p, q, c, f]) {
      const { sh, sw, top, left } = window_of(layer);
      const [, h, w] = layer.shape("x");
      const [, oh, ow] = layer.shape("y");
      for (const m of range(layer.rows)) {
        for (const i of range(oh)) {
          for (const j of range(ow)) {
            const [u, v] = [i * sh + p - top, j * sw + q - left];
            if (u < 0 || u >= h || v < 0 || v >= w) continue;
            const x = entry(layer, "x", m, u, v, c);
            sum.add(x, ...da(sum, layer, [m, i, j, f], x.value));
          }
        }
      }
      if (in_tiles(layer)) sum.add_scale(12 * channel_norm(layer, "x", c) * channel_norm(layer, "dy", f));
    },
    b(sum, layer, [f]) {
      const [, oh, ow] = layer.shape("y");
      for (const m of range(layer.rows)) {
        for (const i of range(oh)) for (const j of range(ow)) sum.add(...da(sum, layer, [m, i, j, f]));
      }
    },
  },
};

// Kernels of 2x2 and 3x3 with strides of 1 and many channels are computed in tiles (Winograd), where every number of a
// tile, not only those of the window, leaves its rounding error in every result (tinydl/kernels/convolution/winograd.py).
function in_tiles(layer) {
  const { kh, kw, sh, sw } = window_of(layer);
  return kh === kw && (kh === 2 || kh === 3) && sh === 1 && sw === 1 && Math.min(...layer.shape("params.W").slice(2)) >= 16;
}

// The largest numbers around pixel (i, j), channel by channel, times the weights that they meet.
function tile_scale(layer, key, [m, i, j], pairs) {
  const [a, b] = [i >> 2, j >> 2];
  const array = layer.array(key);
  const largest = remembered(layer, `tile ${key} ${m} ${a} ${b}`, () => {
    const found = new Float64Array(array.kept[3]);
    for (let u = 4 * a - 4; u < 4 * a + 8; u++) {
      for (let v = 4 * b - 4; v < 4 * b + 8; v++) {
        if (!array.has([m, u, v, 0])) continue;
        for (let c = 0; c < found.length; c++) found[c] = Math.max(found[c], Math.abs(array.at([m, u, v, c])));
      }
    }
    return found;
  });
  const size = pairs.reduce((sofar, [c, f]) => sofar + largest[key === "x" ? c : f] * kernel_size(layer, c, f), 0);
  return 4 * size; // the transforms add up several numbers before they multiply
}

function kernel_size(layer, c, f) {
  return remembered(layer, `kernel ${c} ${f}`, () => {
    const { kh, kw } = window_of(layer);
    let total = 0;
    for (const p of range(kh)) for (const q of range(kw)) total += Math.abs(entry(layer, "params.W", p, q, c, f).value);
    return total;
  });
}

function channel_norm(layer, key, channel) {
  return remembered(layer, `norm ${key} ${channel}`, () => {
    const { data, kept } = layer.array(key);
    let total = 0;
    for (let place = channel; place < data.length; place += kept[3]) total += data[place] ** 2;
    return Math.sqrt(total);
  });
}

// --- pooling ---------------------------------------------------------------------------------------------------------

// The pixel that wins window (i, j): the first of the largest; a NaN counts as the largest.
function winner(layer, m, i, j, c) {
  let best = null;
  for (const [, , u, v] of pixels(layer, i, j)) {
    const x = entry(layer, "x", m, u, v, c);
    if (best === null || (!Number.isNaN(best.value) && (x.value > best.value || Number.isNaN(x.value)))) best = x;
  }
  return best;
}

const MaxPool2D = {
  y(sum, layer, [m, i, j, c]) {
    const best = winner(layer, m, i, j, c);
    sum.add(best);
    const others = [...pixels(layer, i, j)].map(([, , u, v]) => entry(layer, "x", m, u, v, c));
    const beaten = others.filter((x) => !same(x.index, best.index)).map((x) => number(x.value));
    sum.note = beaten.length ? `won over ${beaten.join(", ")}` : "the only pixel of its window";
    sum.more = () => others;
  },
  dx(sum, layer, [m, u, v, c]) {
    const around = [...windows(layer, u, v)];
    for (const [, , i, j] of around) {
      if (same(winner(layer, m, i, j, c).index, [m, u, v, c])) sum.add(entry(layer, "dy", m, i, j, c));
    }
    const among = around.length === 1 ? "the window" : `${sum.terms.length} of the ${around.length} windows`;
    sum.note = sum.terms.length ? `this pixel won ${among} it is in` : "this pixel won no window, so it gets no gradient";
    sum.more = () => around.map(([, , i, j]) => entry(layer, "dy", m, i, j, c));
  },
};

const AveragePool2D = {
  y(sum, layer, [m, i, j, c]) {
    const inside = [...pixels(layer, i, j)];
    const share = made(`1/${inside.length}`, 1 / inside.length);
    for (const [, , u, v] of inside) sum.add(entry(layer, "x", m, u, v, c), share);
  },
  dx(sum, layer, [m, u, v, c]) {
    for (const [, , i, j] of windows(layer, u, v)) {
      const count = [...pixels(layer, i, j)].length;
      sum.add(entry(layer, "dy", m, i, j, c), made(`1/${count}`, 1 / count));
    }
    if (!sum.terms.length) sum.note = "no window contains this pixel";
  },
};

const GlobalAveragePool2D = {
  y(sum, layer, [m, c]) {
    const [, h, w] = layer.shape("x");
    for (const i of range(h)) {
      for (const j of range(w)) sum.add(entry(layer, "x", m, i, j, c), made(`1/${h * w}`, 1 / (h * w)));
    }
  },
  dx(sum, layer, [m, , , c]) {
    const [, h, w] = layer.shape("x");
    sum.add(entry(layer, "dy", m, c), made(`1/${h * w}`, 1 / (h * w)));
  },
};

// --- activations -----------------------------------------------------------------------------------------------------

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
    sum.add_scale(sum.terms.reduce((sofar, term) => sofar + Math.abs(term.factors[0].value * term.factors[1].value), 0)
      * y[i].value + Math.abs(y[i].value * sum.terms[i].factors[0].value));
  },
};

// The entries that differ from this index only along the last axis.
function row_of(owner, key, index) {
  return range(owner.shape(key).at(-1)).map((k) => entry(owner, key, ...index.slice(0, -1), k));
}

// --- normalization ---------------------------------------------------------------------------------------------------

// Means over the N entries of each group: `group(place)` numbers the group of an array's place.
// BatchNorm's groups are the channels, those of LayerNorm the rows (or pixels).
function statistics(layer, groups, group) {
  return remembered(layer, "statistics", () => {
    const x = whole(layer, "x");
    const n = x.size / groups;
    const [mu, v] = [new Float64Array(groups), new Float64Array(groups)];
    x.data.forEach((value, place) => (mu[group(place)] += value / n));
    x.data.forEach((value, place) => (v[group(place)] += (value - mu[group(place)]) ** 2 / n));
    return { n, mu, v };
  });
}

// What forward and backward of a normalization need for one entry.
function normalized(layer, index) {
  const c = index.at(-1);
  const width = layer.shape("x").at(-1);
  const batch = layer.kind === "BatchNorm";
  const group = (place) => (batch ? place % width : Math.floor(place / width));
  const x = entry(layer, "x", ...index);
  const own = batch ? c : group(place_of(layer.array("x"), index));
  let n, mu, v;
  if (batch && !layer.trainable) {
    [mu, v] = [entry(layer, "kept.statistics.0", c).value, entry(layer, "kept.statistics.1", c).value];
  } else {
    const all = statistics(layer, batch ? width : layer.array("x").size / width, group);
    [n, mu, v] = [all.n, all.mu[own], all.v[own]];
  }
  const s = 1 / Math.sqrt(v + layer.settings.epsilon);
  // The rounding errors of x - mu are as large as those of x and mu; s has those of v.
  const loss_of_digits = (Math.abs(x.value) + Math.abs(mu)) * s;
  return { c, x, n, mu, s, xhat: made("xhat", (x.value - mu) * s, x), loss_of_digits, group, own };
}

function place_of(array, index) {
  return index.reduce((place, at, axis) => place + at * array.steps[axis], 0);
}

// The sums over a group that backward needs: mean(g), mean(g xhat), and those of the magnitudes for the tolerance.
function gradient_means(layer, index) {
  const { s, mu, n, group, own } = normalized(layer, index);
  return remembered(layer, `means ${own}`, () => {
    const [x, dy] = [whole(layer, "x"), whole(layer, "dy")];
    const slopes = activation_of(layer) === "linear" ? null : whole(layer, "y");
    const f = ACTIVATIONS[activation_of(layer)];
    const width = x.shape.at(-1);
    const gamma = whole(layer, "params.gamma");
    const means = { g: 0, gx: 0, abs_g: 0, abs_gx: 0, places: [] };
    for (let place = 0; place < x.size; place++) {
      if (group(place) !== own) continue;
      const g = gamma.data[place % width] * dy.data[place] * (slopes ? f.slope(slopes.data[place]) : 1);
      const xhat = (x.data[place] - mu) * s;
      const digits = (Math.abs(x.data[place]) + Math.abs(mu)) * s;
      means.g += g / n;
      means.gx += (g * xhat) / n;
      means.abs_g += Math.abs(gamma.data[place % width] * dy.data[place]) / n;
      means.abs_gx += (Math.abs(gamma.data[place % width] * dy.data[place]) * (Math.abs(xhat) + digits)) / n;
      means.places.push(place);
    }
    return means;
  });
}

const normalization = {
  y(sum, layer, index) {
    const { c, xhat, loss_of_digits, group, own } = normalized(layer, index);
    const gamma = entry(layer, "params.gamma", c);
    sum.add(gamma, xhat);
    sum.add(entry(layer, "params.beta", c));
    sum.add_scale(gamma.value * loss_of_digits * (1 + Math.abs(xhat.value) * loss_of_digits));
    sum.through(activation_of(layer));
    if (layer.kind === "BatchNorm" && !layer.trainable) {
      sum.note = "frozen, so the running mean and variance are used";
      return;
    }
    const over = layer.kind === "BatchNorm" ? "channel" : "row";
    sum.note = `xhat = (x - mu) / sqrt(v + epsilon), with mean and variance of the whole ${over}`;
    sum.more = () => range(layer.array("x").size).filter((place) => group(place) === own)
      .map((place) => entry(layer, "x", ...layer.array("x").index(place)));
  },
  dx(sum, layer, index) {
    const { c, xhat, s, loss_of_digits } = normalized(layer, index);
    const gamma = entry(layer, "params.gamma", c);
    sum.road("directly");
    sum.add(made("s", s), gamma, ...da(sum, layer, index, s * gamma.value));
    if (layer.kind === "BatchNorm" && !layer.trainable) {
      sum.note = "frozen: the statistics are constants, so only the direct road is left";
      return;
    }
    const { g, gx, abs_g, abs_gx, places } = gradient_means(layer, index);
    sum.road("through the mean");
    sum.add(made("-s", -s), made("mean(g)", g));
    sum.road("through the variance");
    sum.add(made("-s", -s), xhat, made("mean(g xhat)", gx));
    sum.note = "g = gamma dy" + (activation_of(layer) === "linear" ? "" : " f'");
    sum.add_scale(s * (abs_g + (Math.abs(xhat.value) + loss_of_digits) * abs_gx));
    sum.add_scale(s * gamma.value * entry(layer, "dy", ...index).value * (1 + loss_of_digits * Math.abs(xhat.value)));
    sum.more = () => places.flatMap((place) => ["x", "dy"]
      .map((key) => entry(layer, key, ...layer.array(key).index(place))));
  },
  grads: {
    gamma(sum, layer, [c]) {
      for (const index of of_channel(layer, c)) {
        const { xhat, loss_of_digits } = normalized(layer, index);
        const factors = da(sum, layer, index, xhat.value);
        sum.add(...factors, xhat);
        sum.add_scale(factors[0].value * loss_of_digits * (1 + loss_of_digits * Math.abs(xhat.value)));
      }
    },
    beta(sum, layer, [c]) {
      for (const index of of_channel(layer, c)) sum.add(...da(sum, layer, index));
    },
  },
};

const BatchNorm = {
  ...normalization,
  "kept.statistics.0": function mean(sum, layer, [c]) {
    if (!layer.trainable) return copied(sum, layer, "state.mean", [c]);
    const indices = of_channel(layer, c);
    for (const index of indices) sum.add(entry(layer, "x", ...index), made(`1/${indices.length}`, 1 / indices.length));
  },
  "kept.statistics.1": function variance(sum, layer, [c]) {
    if (!layer.trainable) return copied(sum, layer, "state.var", [c]);
    const indices = of_channel(layer, c);
    for (const index of indices) {
      const { x, mu } = normalized(layer, index);
      sum.add(made("(x - mu)^2", (x.value - mu) ** 2, x), made(`1/${indices.length}`, 1 / indices.length));
      sum.add_scale((Math.abs(x.value - mu) * (Math.abs(x.value) + Math.abs(mu))) / indices.length);
    }
  },
};

// The indices of all entries of a channel.
function of_channel(layer, c) {
  const x = whole(layer, "x");
  return range(x.size / x.shape.at(-1)).map((k) => x.index(k * x.shape.at(-1) + c));
}

function copied(sum, owner, key, index) {
  sum.add(entry(owner, key, ...index));
}

const LocalResponseNorm = {
  y(sum, layer, index) {
    const x = entry(layer, "x", ...index);
    const { s, around } = strength(layer, index);
    sum.add(x, made("s^-beta", s ** -layer.settings.beta, ...around));
    sum.note = "s = k + alpha (x^2, added over the channels around)";
  },
  dx(sum, layer, index) {
    const { size, alpha, beta } = layer.settings;
    const channels = layer.shape("x").at(-1);
    const [pixel, i] = [index.slice(0, -1), index.at(-1)];
    const x = entry(layer, "x", ...index);
    sum.road("as the numerator");
    sum.add(entry(layer, "dy", ...index), made("s^-beta", strength(layer, index).s ** -beta));
    const before = Math.floor(size / 2);
    for (let j = Math.max(0, i + before - size + 1); j <= Math.min(channels - 1, i + before); j++) {
      const at = [...pixel, j];
      const { s } = strength(layer, at);
      sum.road(`through s of channel ${j}`);
      sum.add(made("-2 alpha beta", -2 * alpha * beta), x, entry(layer, "dy", ...at), entry(layer, "x", ...at),
        made("s^(-beta - 1)", s ** (-beta - 1)));
    }
  },
};

// s = k + alpha sum x^2 over the channels around, and these entries of x.
function strength(layer, index) {
  const { size, alpha, k } = layer.settings;
  const [pixel, j] = [index.slice(0, -1), index.at(-1)];
  const first = j - Math.floor(size / 2);
  const around = range(size).map((shift) => first + shift)
    .filter((channel) => channel >= 0 && channel < layer.shape("x").at(-1))
    .map((channel) => entry(layer, "x", ...pixel, channel));
  return { s: k + alpha * around.reduce((sofar, x) => sofar + x.value ** 2, 0), around };
}

// --- noise and shapes ------------------------------------------------------------------------------------------------

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

// --- composites ------------------------------------------------------------------------------------------------------
// `part_x` and `part_dy`: where the input of a part and the gradient at its output come from.

const Sequential = {
  y(sum, layer, index) {
    copied(sum, layer.parts.at(-1), "y", index);
  },
  dx(sum, layer, index) {
    copied(sum, layer.parts[0], "dx", index);
  },
  part_x(sum, layer, part, index) {
    from_below(sum, layer.parts, part, index, () => copied(sum, layer, "x", index));
  },
  part_dy(sum, layer, part, index) {
    from_above(sum, layer.parts, part, index, () => copied(sum, layer, "dy", index));
  },
};

function from_below(sum, chain, part, index, first) {
  if (part.place) copied(sum, chain[part.place - 1], "y", index);
  else first();
}

function from_above(sum, chain, part, index, last) {
  if (part.place < chain.length - 1) copied(sum, chain[part.place + 1], "dx", index);
  else last();
}

const Residual = {
  y(sum, layer, index) {
    const [body, shortcut] = layer.parts;
    sum.road("the body");
    sum.add(entry(body, "y", ...index));
    sum.road(shortcut ? "the shortcut" : "x, past the body");
    sum.add(shortcut ? entry(shortcut, "y", ...index) : entry(layer, "x", ...index));
    sum.through(activation_of(layer));
  },
  dx(sum, layer, index) {
    const [body, shortcut] = layer.parts;
    sum.road("through the body");
    sum.add(entry(body, "dx", ...index));
    sum.road(shortcut ? "through the shortcut" : "straight, past the body");
    if (shortcut) sum.add(entry(shortcut, "dx", ...index));
    else sum.add(...da(sum, layer, index));
    sum.note = "x is used twice, so its gradients add";
  },
  part_x(sum, layer, part, index) {
    copied(sum, layer, "x", index);
  },
  part_dy(sum, layer, part, index) {
    sum.add(...da(sum, layer, index));
    sum.note = "a sum passes its gradient on to both of its terms";
  },
};

const Branches = {
  y(sum, layer, index) {
    let channel = index.at(-1);
    for (const part of layer.parts) {
      const width = part.shape("y").at(-1);
      if (channel < width) {
        sum.note = `channel ${channel} of branch ${part.name}`;
        return copied(sum, part, "y", [...index.slice(0, -1), channel]);
      }
      channel -= width;
    }
  },
  dx(sum, layer, index) {
    for (const part of layer.parts) {
      sum.road(`through ${part.name}`);
      copied(sum, part, "dx", index);
    }
    sum.note = `x is used ${layer.parts.length} times, so its gradients add`;
  },
  part_x(sum, layer, part, index) {
    copied(sum, layer, "x", index);
  },
  part_dy(sum, layer, part, index) {
    const before = layer.parts.slice(0, part.place).reduce((sofar, each) => sofar + each.shape("y").at(-1), 0);
    copied(sum, layer, "dy", [...index.slice(0, -1), before + index.at(-1)]);
    sum.note = "dy is cut where the outputs were joined";
  },
};

const AuxiliaryHead = {
  y(sum, layer, index) {
    copied(sum, layer, "x", index);
    sum.note = "an identity: the head is a side exit";
  },
  dx(sum, layer, index) {
    sum.road("from the layers above");
    sum.add(entry(layer, "dy", ...index));
    sum.road("from the head");
    sum.add(entry(layer.parts[0], "dx", ...index));
    sum.note = "x is used twice, so its gradients add";
  },
  part_x(sum, layer, part, index) {
    copied(sum, layer, "x", index);
  },
  part_dy(sum, layer, part, index) {
    loss_gradient(sum, layer.step.loss, part, index, made("weight", layer.settings.weight));
  },
  penalty(sum, layer) {
    loss_value(sum, layer.step.loss, layer.parts[0], made("weight", layer.settings.weight));
  },
};

// --- penalties -------------------------------------------------------------------------------------------------------

const ActivityL1 = {
  y(sum, layer, index) {
    copied(sum, layer, "x", index);
  },
  dx(sum, layer, index) {
    const x = entry(layer, "x", ...index);
    sum.road("from the loss");
    sum.add(entry(layer, "dy", ...index));
    sum.road("from the penalty");
    sum.add(made("factor / n", layer.settings.factor / layer.rows), made("sign(x)", Math.sign(x.value), x));
  },
  penalty(sum, layer) {
    const x = whole(layer, "x");
    const each = made("factor / n", layer.settings.factor / layer.rows);
    for (const place of range(x.size)) {
      const at = entry(layer, "x", ...x.index(place));
      sum.add(each, made(`|${named(at)}|`, Math.abs(at.value), at));
    }
  },
};

const MARGIN = 1e-7; // KLSparsity and KLDivergence count numbers nearer to 0 (or 1) as this

function mean_activation(layer, unit) {
  const entries = range(layer.rows).map((m) => entry(layer, "x", m, ...unit));
  const mean = entries.reduce((sofar, x) => sofar + x.value, 0) / layer.rows;
  const { rho, factor } = layer.settings;
  // In float32, 1 - 1e-7 is the nearest number below 1 that there is.
  const [least, most] = layer.step.epsilon > 2 ** -40 ? [MARGIN, Math.fround(1 - MARGIN)] : [MARGIN, 1 - MARGIN];
  const clipped = Math.min(Math.max(mean, least), most);
  const slope_at = (1 - rho) / (1 - clipped) - rho / clipped;
  // 1 - r and the two quotients lose digits where r is near 0 or 1, or where they cancel.
  const digits = (1 - rho) / (1 - clipped) ** 2 + rho / clipped;
  return { entries, mean, clipped, slope: slope_at, digits, rho, factor };
}

const KLSparsity = {
  y(sum, layer, index) {
    copied(sum, layer, "x", index);
  },
  dx(sum, layer, [m, ...unit]) {
    const { entries, mean, slope: dP, digits, factor } = mean_activation(layer, unit);
    sum.road("from the loss");
    sum.add(entry(layer, "dy", m, ...unit));
    sum.road("from the penalty");
    sum.add(made("factor / n", factor / layer.rows), made("-rho/r + (1 - rho)/(1 - r)", dP, ...entries));
    sum.add_scale((factor / layer.rows) * digits);
    sum.note = `r = ${number(mean)}, the unit's mean activation over the rows`;
  },
  penalty(sum, layer) {
    const units = layer.shape("x").slice(1);
    for (const place of range(product(units))) {
      const unit = unravelled(place, units);
      const { entries, mean, clipped: c, slope: dP, digits, rho, factor } = mean_activation(layer, unit);
      const divergence = rho * Math.log(rho / c) + (1 - rho) * Math.log((1 - rho) / (1 - c)) + dP * (mean - c);
      sum.add(made("factor", factor), made(`KL(rho, r of unit ${unit})`, divergence, ...entries));
      sum.add_scale(factor * (rho * Math.abs(Math.log(rho / c)) + Math.abs(Math.log((1 - rho) / (1 - c))) + rho));
      sum.add_scale(factor * digits * (Math.abs(mean - c) + c));
    }
  },
};

const SECOND = { sigmoid: (h) => 1 - 2 * h, tanh: (h) => -2 * h }; // how f' changes with h = f(a)

const ContractivePenalty = {
  y(sum, layer, index) {
    copied(sum, layer.parts[0], "y", index);
  },
  dx(sum, layer, index) {
    copied(sum, layer.parts[0], "dx", index);
  },
  part_x(sum, layer, part, index) {
    copied(sum, layer, "x", index);
  },
  part_dy(sum, layer, part, [m, j]) {
    const activation = activation_of(part);
    sum.road("from the loss");
    sum.add(entry(layer, "dy", m, j));
    if (!(activation in SECOND)) return;
    const h = entry(part, "y", m, j);
    const d = ACTIVATIONS[activation].slope(h.value);
    const column = range(part.shape("params.W")[0]).map((i) => entry(part, "params.W", i, j));
    const s = column.reduce((sofar, W) => sofar + W.value ** 2, 0);
    sum.road("from the penalty");
    const factor = made("2 factor / n", (2 * layer.settings.factor) / layer.rows);
    sum.add(factor, made("f'", d, h), made("df'/dh", SECOND[activation](h.value), h), made("s", s, ...column));
    sum.add_scale(factor.value * s * 2);
  },
  penalty(sum, layer) {
    const [part] = layer.parts;
    const f = ACTIVATIONS[activation_of(part)];
    const [inputs, units] = part.shape("params.W");
    for (const j of range(units)) {
      const column = range(inputs).map((i) => entry(part, "params.W", i, j));
      const s = made("s", column.reduce((sofar, W) => sofar + W.value ** 2, 0), ...column);
      for (const m of range(layer.rows)) {
        const h = entry(part, "y", m, j);
        sum.add(made("factor / n", layer.settings.factor / layer.rows), made("f'^2", f.slope(h.value) ** 2, h), s);
        sum.add_scale((layer.settings.factor / layer.rows) * s.value);
      }
    }
  },
};

// dP/dW on the direct road of ContractivePenalty, for the W of its encoder.
function contraction(sum, layer, [i, j]) {
  const penalty = layer.around;
  if (penalty?.kind !== "ContractivePenalty" || !penalty.of_tinydl) return;
  const f = ACTIVATIONS[activation_of(layer)];
  const column = range(layer.rows).map((m) => entry(layer, "y", m, j));
  const squares = column.reduce((sofar, h) => sofar + f.slope(h.value) ** 2, 0);
  sum.road("from the contractive penalty");
  sum.add(made("2 factor / n", (2 * penalty.settings.factor) / layer.rows), made("sum f'^2", squares, ...column),
    entry(layer, "params.W", i, j));
}

// --- terms on the weights --------------------------------------------------------------------------------------------

// The factors {l1, l2} of a layer's kernel_regularizer, which adds P(W) to the loss; null if there is none at work.
function regularizer(layer) {
  const text = layer.settings.kernel_regularizer;
  if (text == null || !layer.trainable || shares(layer)) return null;
  const found = /^(L1|L2|L1L2)\((.*)\)$/.exec(text);
  if (!found) throw new Missing(`the term on W is not tinydl's: ${text}`);
  const factors = { l1: 0, l2: 0 };
  for (const [, name, value] of found[2].matchAll(/(\w+)=([^,\s]+)/g)) factors[name] = Number(value);
  return factors;
}

// Whether this is a second place of a layer whose parameters it shares.
function shares(layer) {
  return layer.notes.some((note) => note.startsWith("shares its parameters with "));
}

function regularization(sum, layer, index) {
  const factors = regularizer(layer);
  if (!factors) return;
  const W = entry(layer, "params.W", ...index);
  sum.road("from the term on W");
  if (factors.l1) sum.add(made("l1", factors.l1), made("sign(W)", Math.sign(W.value), W));
  if (factors.l2) sum.add(made("2 l2", 2 * factors.l2), W);
}

const regularized = {
  penalty(sum, layer) {
    const factors = regularizer(layer);
    if (!factors) return;
    const W = whole(layer, "params.W");
    for (const place of range(W.size)) {
      const at = entry(layer, "params.W", ...W.index(place));
      if (factors.l1) sum.add(made("l1", factors.l1), made(`|${named(at)}|`, Math.abs(at.value), at));
      if (factors.l2) sum.add(made("l2", factors.l2), at, at);
    }
  },
};

const LAYERS = {
  Dense: { ...Dense, ...regularized }, Conv2D: { ...Conv2D, ...regularized },
  MaxPool2D, AveragePool2D, GlobalAveragePool2D,
  ReLU: elementwise("relu"), Sigmoid: elementwise("sigmoid"), Tanh: elementwise("tanh"), LeakyReLU, Softmax,
  BatchNorm, LayerNorm: normalization, LocalResponseNorm,
  Dropout: masked, MaskingNoise: masked, GaussianNoise, Flatten, PadChannels,
  Sequential, Residual, Branches, AuxiliaryHead, ActivityL1, KLSparsity, ContractivePenalty,
};

// Public classes of tinydl/layers whose entries are not explained, and why.
const NO_EXPLANATION = {
  Layer: "the base class of all layers computes nothing",
  Container: "the base class of all composites computes nothing",
};
