// Pooling: who won, and who shares.

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
    sum.note = sum.terms.length
      ? `this pixel won ${among} it is in`
      : "this pixel won no window, so it gets no gradient";
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
