// BatchNorm and LayerNorm, whose x reaches the loss by three roads, and LocalResponseNorm.

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
    sum.more = () =>
      range(layer.array("x").size)
        .filter((place) => group(place) === own)
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
    sum.more = () =>
      places.flatMap((place) => ["x", "dy"].map((key) => entry(layer, key, ...layer.array(key).index(place))));
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
      sum.add(
        made("-2 alpha beta", -2 * alpha * beta),
        x,
        entry(layer, "dy", ...at),
        entry(layer, "x", ...at),
        made("s^(-beta - 1)", s ** (-beta - 1)),
      );
    }
  },
};

// s = k + alpha sum x^2 over the channels around, and these entries of x.
function strength(layer, index) {
  const { size, alpha, k } = layer.settings;
  const [pixel, j] = [index.slice(0, -1), index.at(-1)];
  const first = j - Math.floor(size / 2);
  const around = range(size)
    .map((shift) => first + shift)
    .filter((channel) => channel >= 0 && channel < layer.shape("x").at(-1))
    .map((channel) => entry(layer, "x", ...pixel, channel));
  return { s: k + alpha * around.reduce((sofar, x) => sofar + x.value ** 2, 0), around };
}
