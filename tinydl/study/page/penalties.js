// Identity layers that add a term to the loss, and ContractivePenalty.

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
      const s = made(
        "s",
        column.reduce((sofar, W) => sofar + W.value ** 2, 0),
        ...column,
      );
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
  sum.add(
    made("2 factor / n", (2 * penalty.settings.factor) / layer.rows),
    made("sum f'^2", squares, ...column),
    entry(layer, "params.W", i, j),
  );
}
