// Conv2D.

const Conv2D = {
  y(sum, layer, [m, i, j, f]) {
    const channels = layer.shape("x")[3];
    let inside = 0;
    for (const [p, q, u, v] of pixels(layer, i, j)) {
      inside++;
      for (let c = 0; c < channels; c++) sum.add(entry(layer, "x", m, u, v, c), entry(layer, "params.W", p, q, c, f));
    }
    const { kh, kw } = window_of(layer);
    if (inside < kh * kw)
      sum.note = `${kh * kw - inside} of the window's ${kh * kw} pixels lie in the padding, which is 0`;
    if (layer.has("params.b")) sum.add(entry(layer, "params.b", f));
    sum.through(activation_of(layer));
    if (in_tiles(layer))
      sum.add_scale(
        tile_scale(
          layer,
          "x",
          [m, i, j],
          range(channels).map((c) => [c, f]),
        ),
      );
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

// Kernels of 2x2 and 3x3 with strides of 1 and many channels are computed in tiles, where every number of a tile, not
// only those of the window, leaves its rounding error in every result (tinydl/kernels/convolution/winograd.py).
function in_tiles(layer) {
  const { kh, kw, sh, sw } = window_of(layer);
  return (
    kh === kw && (kh === 2 || kh === 3) && sh === 1 && sw === 1 && Math.min(...layer.shape("params.W").slice(2)) >= 16
  );
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
