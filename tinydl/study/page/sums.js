// How one entry comes about: a sum of products, each factor of which is an entry of an array or a number made of some.

// An entry of an owner's array.
function entry(owner, key, ...index) {
  const array = owner.array(key);
  if (!array.has(index)) {
    const which = same(array.shape, array.kept) ? "has no such entry" : "is kept only in part";
    throw new Missing(`${shown(key)} of ${owner.path ?? "the loss"} ${which}`);
  }
  return { owner, key, index, value: array.at(index) };
}

function same(one, other) {
  return one.length === other.length && one.every((value, place) => value === other[place]);
}

// A number that is no entry of an array: its name in the formula, and the entries it was made of.
function made(text, value, ...from) {
  return { text, value, from };
}

class Sum {
  constructor() {
    this.terms = []; // {road, factors, value}
    this.total = 0;
    this.scale = 0; // what a relative rounding error has to be multiplied by: the sum of |terms|, unless said otherwise
    this.outer = null; // {text, f}: the function that is applied to the sum
    this.note = ""; // what a reader should know beside the sum
    this.more = () => []; // further entries that contribute, for the lights
    this.proves = true; // false if the terms contain the entry itself
    this.label = "";
  }

  // The terms that follow belong to this road of the gradient.
  road(label) {
    this.label = label;
  }

  add(...factors) {
    let value = 1;
    for (const factor of factors) if (factor) value *= factor.value;
    this.terms.push({ road: this.label, factors: factors.filter(Boolean), value });
    this.total += value;
    this.scale += Math.abs(value);
    return value;
  }

  // Rounding errors larger than those of the terms' own size, such as that of x - mean where both are large.
  add_scale(magnitude) {
    this.scale += Math.abs(magnitude);
  }

  through(activation) {
    if (activation !== "linear") this.outer = { text: activation, f: ACTIVATIONS[activation].f };
  }

  get value() {
    return this.outer ? this.outer.f(this.total) : this.total;
  }

  // How far a result computed in the step's own precision may be from this one, which is computed in float64. Adding n
  // numbers and multiplying them gives an error of at most about n/2 epsilon times the sum of their magnitudes; a dozen
  // more roundings allow for exp, tanh and for the order of a kernel's own sums. The functions in `outer` have slopes
  // of at most 1.
  tolerance(epsilon) {
    const smallest = epsilon > 2 ** -40 ? 2 ** -126 : 2 ** -1022; // below it, numbers lose digits
    return epsilon * (12 + this.terms.length / 2) * (this.scale + Math.abs(this.value)) + 4 * smallest;
  }
}

const ACTIVATIONS = {
  linear: { f: (a) => a, slope: () => 1 },
  relu: { f: (a) => (a > 0 || Number.isNaN(a) ? a : 0), slope: (y) => (y > 0 ? 1 : 0) },
  sigmoid: { f: (a) => sigmoid(a), slope: (y) => y * (1 - y) },
  tanh: { f: Math.tanh, slope: (y) => 1 - y * y },
};

function sigmoid(a) {
  const e = Math.exp(-Math.abs(a));
  return (a >= 0 ? 1 : e) / (1 + e);
}

// A result that is kept for an owner, so that the statistics of a channel are computed once.
const REMEMBERED = new WeakMap();

function remembered(owner, key, compute) {
  if (!REMEMBERED.has(owner)) REMEMBERED.set(owner, new Map());
  const known = REMEMBERED.get(owner);
  if (!known.has(key)) known.set(key, compute());
  return known.get(key);
}

// All entries of an array, for statistics; Missing if a part is left out.
function whole(owner, key) {
  const array = owner.array(key);
  if (array.cropped) throw new Missing(`${shown(key)} of ${owner.path ?? "the loss"} is kept only in part`);
  return array;
}

function range(length) {
  return Array.from({ length }, (_, k) => k);
}

// An entry that is another one, handed on.
function copied(sum, owner, key, index) {
  sum.add(entry(owner, key, ...index));
}
