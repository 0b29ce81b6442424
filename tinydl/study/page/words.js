// Numbers and explanations in words.

function number(value) {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "NaN" : value > 0 ? "∞" : "−∞";
  if (value === 0) return "0";
  const size = Math.abs(value);
  const text =
    size >= 1e5 || size < 1e-4
      ? value.toExponential(2).replace("e+", "e")
      : Number.isInteger(value)
        ? String(value)
        : size >= 1000
          ? value.toFixed(0)
          : value.toPrecision(3);
  return text.replaceAll("-", "−");
}

// Whether a text that `number` could have written says something else than this value.
function misprinted(value, text) {
  const said = Number(text.replaceAll("−", "-").replace("∞", "Infinity"));
  return !Object.is(said, value) && Math.abs(said - value) > 0.005 * Math.abs(value);
}

// "1,234".
function grouped(count) {
  return count.toLocaleString("en-US");
}

// "x[0,2]", or "loss" for a single number.
function named({ owner, key, index }) {
  if (key === "value") return "loss";
  return index.length ? `${shown(key)}[${index.join(",")}]` : shown(key);
}

function product_text(term) {
  return term.factors.map(({ value }) => (value < 0 ? `(${number(value)})` : number(value))).join(" × ");
}

// The same with names: "x[0,2] × W[2,1]", and "y[0,2] of dense_1" for an entry of another owner that is handed on.
function names_text(term, owner) {
  const [first, ...rest] = term.factors;
  if (!rest.length && first.owner && first.owner !== owner)
    return `${named(first)} of ${first.owner.path ?? "the loss"}`;
  const text = (factor) => (is_sum(factor.text) && rest.length ? `(${factor.text})` : factor.text).replaceAll("-", "−");
  return term.factors.map((factor) => (factor.owner ? named(factor) : text(factor))).join(" × ");
}

// Whether a formula has a plus or minus outside of its brackets.
function is_sum(text) {
  let outside = text;
  while (/\([^()]*\)/.test(outside)) outside = outside.replace(/\([^()]*\)/g, "");
  return / [+-] /.test(outside);
}

// Terms in words as a sum: "p × 1/n − y × 1/n".
function added(texts) {
  return texts.join(" + ").replaceAll(" + −", " − ");
}

// The largest terms first, which may be only a few of many; all if there are not more than `most`.
function largest_terms(sum, most) {
  const order = sum.terms.map((term, place) => ({ term, place }));
  if (order.length <= most) return order.map(({ term }) => term);
  order.sort((one, other) => Math.abs(other.term.value) - Math.abs(one.term.value) || one.place - other.place);
  return order.slice(0, most).map(({ term }) => term);
}

// "dx[0,2,2,0] = 0.0335 = sum of 18: 0.0200 × 0.284 + ..."
function line(found, most = 4) {
  const head = `${named(found)} = ${number(found.stored)}`;
  if (found.why) return `${head}: ${found.why}`;
  const { sum } = found;
  const count = sum.terms.length;
  const shown_terms = largest_terms(sum, most);
  const rest = count - shown_terms.length;
  let text = shown_terms.map((term) => (term.road ? `${term.road}: ` : "") + product_text(term)).join(" + ");
  if (rest) text += ` + ${rest} smaller`;
  if (count === 0) text = "";
  else if (count === 1 && sum.terms[0].factors.length === 1) text = names_text(sum.terms[0], found.owner);
  else if (count > 1) text = `sum of ${count}: ${text}`;
  if (sum.outer) text = `${sum.outer.text}(${number(sum.total)}), where ${number(sum.total)} = ${text}`;
  const note = sum.note ? (text ? ` (${sum.note})` : sum.note) : "";
  return text ? `${head} = ${text}${note}` : `${head}: ${note}`;
}

// What the factors of the terms that `line` shows are: of the first one of each road.
function pattern({ owner, sum }, most = 4) {
  const of_roads = new Map();
  for (const term of largest_terms(sum, most)) if (!of_roads.has(term.road)) of_roads.set(term.road, term);
  const firsts = sum.terms.length > 2 ? [...of_roads.values()] : sum.terms;
  if (!firsts.length || sum.terms.every((term) => term.factors.length === 1 && term.road)) return "";
  const texts = firsts.map((term) => names_text(term, owner));
  return `: ${added(texts)}${sum.terms.length > firsts.length ? " + ..." : ""}`;
}
