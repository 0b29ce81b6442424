// For each of tinydl's losses: how an entry of dL/dy_pred and the loss itself come about. See tinydl/losses.
// A loss looks at predictions through a View, since an auxiliary head's output is compared with the same targets.

// The predictions, targets and weights that a loss compares. `times` is the factor of an auxiliary head's loss.
class View {
  constructor(loss, predictor, times) {
    Object.assign(this, { loss, predictor, times, key: predictor.isLoss ? "y_pred" : "y" });
    this.shape = predictor.shape(this.key);
    this.size = product(this.shape);
    this.rows = this.shape[0];
  }

  predicted(...index) {
    return entry(this.predictor, this.key, ...index);
  }

  target(...index) {
    return entry(this.loss, "y_true", ...index);
  }

  // The factors that every term of row m has: 1/N, the row's weight, and that of an auxiliary head.
  each(m, divisor, letter = "N") {
    const weight = this.loss.has("sample_weight") ? entry(this.loss, "sample_weight", m) : null;
    return [made(`1/${letter}`, 1 / divisor), weight, this.times];
  }

  // The indices of all entries of the predictions.
  *indices() {
    const [whole_shape, steps] = [this.shape, this.shape.map((_, axis) => product(this.shape.slice(axis + 1)))];
    for (let place = 0; place < this.size; place++) {
      yield steps.map((step, axis) => Math.floor(place / step) % whole_shape[axis]);
    }
  }
}

// A loss that is a mean over all entries: l(p, y) is an entry's own term, and slope(p, y) its derivative.
// `names` are those of both, by the loss's settings, and `digits` is the size of the numbers whose difference they are.
function mean_of({ l, slope, names, digits }) {
  return {
    dy(sum, view, index) {
      const [p, y] = [view.predicted(...index), view.target(...index)];
      const each = view.each(index[0], view.size);
      sum.add(made(names(view.loss.settings)[1], slope(p.value, y.value, view.loss.settings, view), p, y), ...each);
      sum.add_scale(each.reduce((sofar, factor) => sofar * (factor?.value ?? 1), digits(p.value, y.value, 1)));
    },
    value(sum, view) {
      for (const index of view.indices()) {
        const [p, y] = [view.predicted(...index), view.target(...index)];
        const each = view.each(index[0], view.size);
        sum.add(made(names(view.loss.settings)[0], l(p.value, y.value, view.loss.settings, view), p, y), ...each);
        sum.add_scale(each.reduce((sofar, factor) => sofar * (factor?.value ?? 1), digits(p.value, y.value, 2)));
      }
    },
  };
}

// How large the numbers are whose rounding errors enter (p - y)^power.
function of_difference(p, y, power) {
  const size = Math.abs(p) + Math.abs(y);
  return power === 1 ? size : size * Math.abs(p - y);
}

const MeanSquaredError = mean_of({
  names: () => ["(p - y)^2", "2 (p - y)"],
  l: (p, y) => (p - y) ** 2,
  slope: (p, y) => 2 * (p - y),
  digits: (p, y, power) => 2 * of_difference(p, y, power),
});

const MaskedMeanSquaredError = mean_of({
  names: () => ["r (p - y)^2", "2 r (p - y)"],
  l: (p, y) => (Number.isNaN(y) ? 0 : (p - y) ** 2),
  slope: (p, y) => (Number.isNaN(y) ? 0 : 2 * (p - y)),
  digits: (p, y, power) => (Number.isNaN(y) ? 0 : 2 * of_difference(p, y, power)),
});

const MeanAbsoluteError = mean_of({
  names: () => ["|p - y|", "sign(p - y)"],
  l: (p, y) => Math.abs(p - y),
  slope: (p, y) => Math.sign(p - y),
  digits: (p, y) => of_difference(p, y, 1),
});

const Huber = mean_of({
  names: () => ["h(p - y)", "clip(p - y)"],
  l: (p, y, { delta }) => {
    const clipped = Math.min(Math.max(p - y, -delta), delta);
    return clipped * (p - y) - clipped ** 2 / 2;
  },
  slope: (p, y, { delta }) => Math.min(Math.max(p - y, -delta), delta),
  digits: (p, y, power) => of_difference(p, y, power),
});

const Hinge = mean_of({
  names: () => ["max(0, 1 - y s)", "-y 1[y s < 1]"],
  l: (s, y, _, view) => Math.max(0, 1 - side(view, y) * s),
  slope: (s, y, _, view) => (side(view, y) * s < 1 ? -side(view, y) : 0),
  digits: (s) => 1 + Math.abs(s),
});

// The targets -1 and 1; those that are all 0 and 1 mean the same.
function side(view, y) {
  const zeros = remembered(view.loss, "zeros and ones", () => {
    const all = whole(view.loss, "y_true").data;
    return all.every((each) => each === 0 || each === 1) && !all.every((each) => each === 1);
  });
  return zeros ? 2 * y - 1 : y;
}

// The weights a of log p and b of log(1 - p).
function yes_and_no(y, { label_smoothing: e, class_weight: weights }) {
  const smooth = (1 - e) * y + e / 2;
  return weights ? [weights["1"] * smooth, weights["0"] * (1 - smooth)] : [smooth, 1 - smooth];
}

const BinaryCrossEntropy = mean_of({
  names: ({ class_weight }) =>
    class_weight ? ["-a log p - b log(1 - p)", "b p - a (1 - p)"] : ["-y log p - (1 - y) log(1 - p)", "p - y"],
  l: (z, y, settings) => {
    const [a, b] = yes_and_no(y, settings);
    const tail = Math.log1p(Math.exp(-Math.abs(z)));
    return a * (Math.max(-z, 0) + tail) + b * (Math.max(z, 0) + tail);
  },
  slope: (z, y, settings) => {
    const [a, b] = yes_and_no(y, settings);
    return b * sigmoid(z) - a * sigmoid(-z);
  },
  digits: (z, y, power) => (power === 1 ? 2 : 2 + Math.abs(z)),
});

// softmax of row m of the logits, with what rounding errors of the logits' differences do to it.
function softmax_row(view, m) {
  const z = range(view.shape[1]).map((j) => view.predicted(m, j));
  const largest = Math.max(...z.map((each) => each.value));
  const shifted = z.map((each) => each.value - largest);
  const total = shifted.reduce((sofar, each) => sofar + Math.exp(each), 0);
  const p = shifted.map((each) => Math.exp(each) / total);
  const digits = p.reduce((sofar, each, j) => sofar + each * Math.abs(shifted[j]), 1);
  return { z, shifted, total, p, digits };
}

// The target's distribution for row m, smoothed; [value, entry] by class.
function distribution(view, m) {
  const classes = view.shape[1];
  const e = view.loss.settings.label_smoothing;
  const labels = view.loss.shape("y_true").length === 1;
  return range(classes).map((j) => {
    const from = labels ? view.target(m) : view.target(m, j);
    const q = labels ? Number(from.value === j) : from.value;
    return made(e ? "q" : "y", (1 - e) * q + e / classes, from);
  });
}

const SoftmaxCrossEntropy = {
  dy(sum, view, [m, i]) {
    const { z, p, shifted, digits } = softmax_row(view, m);
    const q = distribution(view, m);
    const total = q.reduce((sofar, each) => sofar + each.value, 0);
    const each = view.each(m, view.rows, "n");
    sum.add(made("p", p[i], ...z), Math.abs(total - 1) < 1e-12 ? null : made("sum q", total), ...each);
    sum.add(made(`-${q[i].text}`, -q[i].value, ...q[i].from), ...each);
    sum.add_scale(sum.terms[0].value * (Math.abs(shifted[i]) + digits));
    const target = view.loss.settings.label_smoothing ? "q is the smoothed target" : "y is 1 for the right class";
    sum.note = `p = softmax of row ${m}; ${target}`;
  },
  value(sum, view) {
    for (const m of range(view.rows)) {
      const { z, shifted, total, digits } = softmax_row(view, m);
      distribution(view, m).forEach((q, j) => {
        if (q.value === 0) return;
        const log_p = shifted[j] - Math.log(total);
        const each = view.each(m, view.rows, "n");
        const weight = each.reduce((sofar, factor) => sofar * (factor?.value ?? 1), 1);
        sum.add(made(`-${q.text}`, -q.value, ...q.from), made("log p", log_p, ...z), ...each);
        sum.add_scale(weight * q.value * (Math.abs(shifted[j]) + Math.log(total) + digits));
      });
    }
  },
};

const KLDivergence = {
  dy(sum, view, index) {
    const [p, q] = [view.predicted(...index), view.target(...index)];
    const slope_at = p.value < MARGIN ? 0 : -Math.max(q.value, MARGIN) / Math.max(p.value, MARGIN);
    sum.add(made("-q/p", slope_at, q, p), ...view.each(index[0], view.size / view.shape.at(-1), "n"));
    if (p.value < MARGIN) sum.note = "p < 1e-7: the slope used is 0";
  },
  value(sum, view) {
    for (const index of view.indices()) {
      const [p, q] = [view.predicted(...index), view.target(...index)];
      const [a, b] = [Math.max(q.value, MARGIN), Math.max(p.value, MARGIN)];
      const each = view.each(index[0], view.size / view.shape.at(-1), "n");
      const weight = each.reduce((sofar, factor) => sofar * (factor?.value ?? 1), 1);
      sum.add(made("q", a, q), made("log(q/p)", Math.log(a / b), q, p), ...each);
      sum.add_scale(weight * a); // an error of q/p, which is relative to it, is one of log(q/p) that is not
    }
  },
};

const LOSSES = {
  SoftmaxCrossEntropy,
  BinaryCrossEntropy,
  MeanSquaredError,
  MeanAbsoluteError,
  Huber,
  Hinge,
  KLDivergence,
  MaskedMeanSquaredError,
};

// Public classes of tinydl/losses whose entries are not explained, and why.
const NO_LOSS_EXPLANATION = { Loss: "the base class of all losses computes nothing" };

function loss_gradient(sum, loss, predictor, index, times) {
  explained_loss(loss).dy(sum, new View(loss, predictor, times), index);
}

function loss_value(sum, loss, predictor, times) {
  explained_loss(loss).value(sum, new View(loss, predictor, times));
}

function explained_loss(loss) {
  if (!loss.of_tinydl || !LOSSES[loss.kind]) throw new Missing(not_ours(loss));
  return LOSSES[loss.kind];
}

function not_ours(owner) {
  if (!owner.of_tinydl) return `${owner.kind} is not a class of tinydl's`;
  return `the page has no explanation of ${owner.kind}`;
}
