// Windows over images, for convolutions and pooling.

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
