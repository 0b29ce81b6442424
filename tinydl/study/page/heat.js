// Arrays as heat maps: tables of numbers, coloured in one diverging scale in which zero is neutral.

const STEPS = 10; // shades on each side of zero
const SHADES = {
  light: { zero: "#f5f6f7", below: ["#bcdcf0", "#5ba3d0", "#14599e"], above: ["#fbd6bd", "#ea8455", "#a8321c"] },
  dark: { zero: "#23282f", below: ["#1b4260", "#2f7db5", "#8fcdf8"], above: ["#5d2c19", "#bf5a30", "#ffb691"] },
};
const WIDEST = 32; // cells of one heat map along each axis
const MOST_CELLS = 1024; // cells of one array

function rgb(hex) {
  return [1, 3, 5].map((place) => parseInt(hex.slice(place, place + 2), 16));
}

// The colour at a share of the way from zero to the end of the scale.
function shade({ zero, below, above }, share) {
  const stops = [zero, ...(share < 0 ? below : above)].map(rgb);
  const along = Math.abs(share) * (stops.length - 1);
  const first = Math.min(Math.floor(along), stops.length - 2);
  return stops[first].map((from, part) => Math.round(from + (along - first) * (stops[first + 1][part] - from)));
}

// Black or white, whichever can be read better on this colour.
function ink(colour) {
  const [r, g, b] = colour.map((part) =>
    part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4,
  );
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179 ? "#000" : "#fff";
}

// The rules .q-10 to .q10 for both themes; print always uses the light one.
function scale_css() {
  const rules = (theme) =>
    Array.from({ length: 2 * STEPS + 1 }, (_, k) => {
      const colour = shade(SHADES[theme], (k - STEPS) / STEPS);
      return `.q${k - STEPS} { background: rgb(${colour}); color: ${ink(colour)}; }`;
    });
  const dark = rules("dark")
    .map((rule) => `:root[data-theme="dark"] ${rule}`)
    .join("\n");
  return `${rules("light").join("\n")}\n@media screen {\n${dark}\n}`;
}

// How an array's numbers are written: in units of a power of ten, with as many digits as the largest one needs, and
// .25 for 0.25. A plain 0 is exactly 0, and .00 a number too small to be seen.
// A single number has no heading for a power, so it is written by itself.
function format_of(array) {
  if (!array.shape.length) return { largest: Math.abs(array.at([])), power: 0, text: number };
  let largest = 0;
  let integers = true;
  for (const each of array.data) {
    const value = Number(each);
    if (Number.isFinite(value)) largest = Math.max(largest, Math.abs(value));
    integers &&= Number.isInteger(value);
  }
  if (integers && largest < 1e4) return { largest, power: 0, text: (value) => plain(value, 0) };
  const power = largest > 0 && (largest < 0.1 || largest >= 1000) ? 3 * Math.floor(Math.log10(largest) / 3) : 0;
  const top = largest / 10 ** power;
  const digits = top >= 100 ? 0 : top >= 10 ? 1 : top >= 0.3 ? 2 : 3;
  return { largest, power, text: (value) => plain(value / 10 ** power, digits) };
}

function plain(value, digits) {
  if (value === 0) return "0";
  if (!Number.isFinite(value)) return number(value);
  const text = Math.abs(value)
    .toFixed(digits)
    .replace(/^0(?=.)/, "");
  return value < 0 && Number(text) ? `−${text}` : text;
}

function superscript(power) {
  return String(power)
    .replace("-", "⁻")
    .replace(/\d/g, (digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[digit]);
}

// The shade of a number, from -STEPS to STEPS. A page-wide scale is logarithmic over six powers of ten.
function shade_of(value, largest, logarithmic) {
  if (!largest || !value) return 0;
  let share = Math.min(Math.abs(value) / largest, 1);
  if (logarithmic) share = Math.max(0, 1 + Math.log10(share) / 6);
  return Math.sign(value) * Math.round(share * STEPS);
}

// Keys of arrays whose first axis is the batch.
const OF_BATCH = ["x", "y", "dy", "dx", "y_pred", "y_true", "sample_weight", "kept.mask"];

// The heat maps of an array, {title, rows, columns, index: (r, c) -> index}, and how many stand beside one another
// (0: as many as there is room for). Images are those of row m of the batch.
function panels_of(key, array, m) {
  const shape = array.kept;
  const batch = OF_BATCH.includes(key);
  if (shape.length === 0) return { across: 1, panels: [{ title: "", rows: 1, columns: 1, index: () => [] }] };
  if (shape.length === 1) {
    return { across: 1, panels: [{ title: "", rows: 1, columns: shape[0], index: (_, c) => [c] }] };
  }
  if (shape.length === 2) {
    return { across: 1, panels: [{ title: "", rows: shape[0], columns: shape[1], index: (r, c) => [r, c] }] };
  }
  const [rows, columns] = batch && shape.length === 4 ? shape.slice(1, 3) : batch ? shape.slice(-2) : of_kernel(shape);
  const most = Math.max(1, Math.floor(MOST_CELLS / (Math.min(rows, WIDEST) * Math.min(columns, WIDEST))));
  if (batch && shape.length === 4) {
    const panels = range(Math.min(shape[3], most)).map((c) => ({
      title: `[${m}, :, :, ${c}]`,
      rows,
      columns,
      index: (i, j) => [m, i, j, c],
    }));
    return { across: 0, panels, left_out: shape[3] - panels.length };
  }
  if (!batch && shape.length === 4) {
    const filters = Math.min(shape[3], most);
    const inputs = Math.min(shape[2], Math.max(1, Math.floor(most / filters)));
    const panels = range(inputs).flatMap((c) =>
      range(filters).map((f) => ({
        title: `[:, :, ${c}, ${f}]`,
        rows,
        columns,
        index: (p, q) => [p, q, c, f],
      })),
    );
    return { across: filters, panels, left_out: shape[2] * shape[3] - panels.length };
  }
  // other shapes: the last two axes are a map, the others say which one
  const outer = batch ? [1, ...shape.slice(1, -2)] : shape.slice(0, -2);
  const panels = range(Math.min(product(outer), most)).map((k) => {
    const lead = unravelled(k, outer);
    if (batch) lead[0] = m;
    return { title: `[${lead.join(", ")}, :, :]`, rows, columns, index: (r, c) => [...lead, r, c] };
  });
  return { across: 0, panels, left_out: product(outer) - panels.length };
}

function of_kernel(shape) {
  return shape.length === 4 ? shape.slice(0, 2) : shape.slice(-2);
}

// One array with its heading; `cells` collects every cell under the array's number and the entry's place.
function heat(owner, key, options, cells) {
  const array = owner.array(key);
  const format = format_of(array);
  const box = element("div", { class: "array" });
  box.dataset.key = key;
  const heading = element("header");
  heading.append(element("b", {}, key === "value" ? "loss" : shown(key)));
  const size = format.largest ? `up to ±${number(format.largest)}` : "all 0";
  const power = format.power ? [`× 10${superscript(format.power)}`] : [];
  if (array.shape.length)
    heading.append(element("span", {}, ` ${[array.shape.join(" × "), ...power, size].join(", ")}`));
  box.append(heading);
  if (!array.size) {
    box.append(element("p", { class: "why" }, "empty: no layer below learns, so it was not computed"));
    return box;
  }
  const { across, panels, left_out } = panels_of(key, array, Math.min(options.row, array.kept[0] - 1));
  const holder = element("div", { class: across > 1 ? "panels grid" : "panels" });
  if (across > 1) holder.style.gridTemplateColumns = `repeat(${across}, max-content)`;
  const largest = options.logarithmic ? options.largest : format.largest;
  const longest = Math.max(...Array.from(array.data, (value) => format.text(Number(value)).length));
  const how = { ...options, largest, format, longest };
  for (const panel of panels) holder.append(table(owner, key, array, panel, how, cells));
  box.append(holder);
  const notes = [];
  if (array.cropped) notes.push(`cropped: the page keeps the first ${array.kept.join(" × ")}`);
  if (left_out > 0) notes.push(`${left_out} more maps are not drawn`);
  if (panels.some((panel) => panel.rows > WIDEST || panel.columns > WIDEST)) {
    notes.push(`drawn: the first ${Math.min(panels[0].rows, WIDEST)} × ${Math.min(panels[0].columns, WIDEST)}`);
  }
  if (notes.length) box.append(element("p", { class: "why" }, `${notes.join("; ")}.`));
  return box;
}

function table(owner, key, array, panel, options, cells) {
  const name = `${shown(key)}${panel.title} of ${owner.path ?? "the loss"}`;
  const map = element("table", { class: "heat", role: "grid", "aria-label": name });
  map.style.setProperty("--longest", `${options.longest}ch`);
  if (panel.title) map.append(element("caption", {}, panel.title));
  const body = element("tbody");
  for (let r = 0; r < Math.min(panel.rows, WIDEST); r++) {
    const line = element("tr", { role: "row" });
    for (let c = 0; c < Math.min(panel.columns, WIDEST); c++) {
      const index = panel.index(r, c);
      const value = array.at(index);
      const cell = element("td", { role: "gridcell", tabindex: r || c ? "-1" : "0" }, options.format.text(value));
      const shade_number = array.dtype?.includes("int") ? 0 : shade_of(value, options.largest, options.logarithmic);
      cell.className = Number.isFinite(value) ? `q${shade_number}` : "nan"; // whole numbers are labels
      cell.entry = { owner, key, index };
      const at = `${array.number}:${index.join(",")}`;
      if (!cells.has(at)) cells.set(at, []);
      cells.get(at).push(cell);
      line.append(cell);
    }
    body.append(line);
  }
  map.append(body);
  return map;
}

function element(name, attributes = {}, text = null) {
  const made_element = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) made_element.setAttribute(attribute, value);
  if (text !== null) made_element.textContent = text;
  return made_element;
}
