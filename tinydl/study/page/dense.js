// Dense, and the terms of the loss that depend on W directly.

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
