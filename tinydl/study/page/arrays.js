// A trace's JSON as objects: its arrays, and its layers with the layers inside and around them.

// Thrown where an entry is asked for that the page does not hold; the message is the reason that readers see.
class Missing extends Error {}

const READERS = {
  float32: Float32Array,
  float64: Float64Array,
  bool: Uint8Array,
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
  float16: Uint16Array,
};

// The first entries along each axis of an array. `shape` is that of the whole array, `kept` that of the part.
class Kept {
  constructor(content, number) {
    Object.assign(this, { number, dtype: content.dtype, shape: content.shape, kept: content.kept });
    const bytes = Uint8Array.from(atob(content.data), (letter) => letter.charCodeAt(0));
    const data = new READERS[content.dtype](bytes.buffer); // little-endian, as every machine with a browser is today
    this.data = content.dtype === "float16" ? Array.from(data, half) : data;
    this.steps = this.kept.map((_, axis) => product(this.kept.slice(axis + 1)));
  }

  get cropped() {
    return this.shape.some((length, axis) => length !== this.kept[axis]);
  }

  get size() {
    return this.data.length;
  }

  has(index) {
    return index.length === this.kept.length && index.every((place, axis) => place >= 0 && place < this.kept[axis]);
  }

  at(index) {
    let place = 0;
    for (let axis = 0; axis < index.length; axis++) place += index[axis] * this.steps[axis];
    return Number(this.data[place]);
  }

  index(place) {
    return this.steps.map((step, axis) => Math.floor(place / step) % this.kept[axis]);
  }
}

function product(numbers) {
  return numbers.reduce((sofar, number) => sofar * number, 1);
}

function half(bits) {
  const [sign, exponent, fraction] = [bits & 0x8000 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -14 * (fraction / 1024));
}

const SINGLE = ["value", "penalty"]; // keys of numbers: the loss, and the term that a layer adds to it

// A single number as an array without axes.
class Single {
  constructor(owner, key) {
    const value = { nan: NaN, inf: Infinity, "-inf": -Infinity }[owner[key]] ?? owner[key];
    Object.assign(this, { number: `${owner.path ?? "loss"} ${key}`, shape: [], kept: [], size: 1, cropped: false });
    Object.assign(this, { data: [value], at: () => value, index: () => [], has: () => true });
  }
}

// A layer, or the loss. Keys of its arrays: "x", "dy", "params.W", "grads.W", "after.W", "kept.mask", "state.mean".
class Owner {
  constructor(content, arrays, rows, isLoss) {
    const names = isLoss ? ["y_pred", "y_true", "sample_weight", "dy"] : ["x", "y", "dy", "dx"];
    Object.assign(this, content, { isLoss, rows, numbers: {}, parts: [], around: null, place: 0, arrays, singles: {} });
    for (const name of names) this.numbers[name] = content[name];
    for (const [key, each] of Object.entries(content.params ?? {})) {
      this.numbers[`params.${key}`] = each.value;
      this.numbers[`grads.${key}`] = each.gradient;
      this.numbers[`after.${key}`] = each.after;
    }
    for (const kind of ["kept", "state"]) {
      for (const [key, number] of Object.entries(content[kind] ?? {})) this.numbers[`${kind}.${key}`] = number;
    }
    this.name = isLoss ? "loss" : content.path.split(".").pop();
  }

  has(key) {
    return this.numbers[key] != null;
  }

  array(key) {
    if (SINGLE.includes(key)) return (this.singles[key] ??= new Single(this, key));
    if (!this.has(key)) throw new Missing(`${shown(key)} of ${this.path ?? "the loss"} is not in the trace`);
    return this.arrays[this.numbers[key]];
  }

  // The whole shape, also where only a part is kept.
  shape(key) {
    return this.array(key).shape;
  }

  get label() {
    return `${this.name} (${this.kind})`;
  }
}

// The name of an array as formulas have it: "W" for "params.W", "dW" for "grads.W".
function shown(key) {
  const [kind, ...rest] = key.split(".");
  const name = rest.join(".");
  if (!name) return kind;
  return kind === "grads" ? `d${name}` : kind === "after" ? `new ${name}` : (STATISTICS[key] ?? name);
}

const STATISTICS = { "kept.statistics.0": "mu", "kept.statistics.1": "v" };

// The trace in this text, with `loss` and `layers` as Owners: parts[] are the layers inside a composite, `around` the
// composite that a layer is in, `place` its place there.
function read(text) {
  const content = JSON.parse(text);
  if (content.format !== "tinydl trace 1") throw new Error(`a page for "tinydl trace 1" got ${content.format}`);
  const arrays = content.arrays.map((each, number) => new Kept(each, number));
  const rows = content.rows;
  const layers = content.layers.map((each) => new Owner(each, arrays, rows, false));
  const loss = new Owner(content.loss, arrays, rows, true);
  const open = [];
  const chain = [];
  for (const layer of layers) {
    open.length = layer.depth;
    layer.around = open[layer.depth - 1] ?? null;
    const neighbours = layer.around ? layer.around.parts : chain;
    layer.place = neighbours.length;
    neighbours.push(layer);
    open.push(layer);
  }
  const step = { ...content, arrays, layers, loss, chain, epsilon: content.dtype === "float64" ? 2 ** -52 : 2 ** -23 };
  for (const owner of [...layers, loss]) owner.step = step;
  return step;
}
