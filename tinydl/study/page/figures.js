// The second tab: sizes of activations and gradients, update-to-weight ratios, dead units and saturation, by layer.

const COLUMNS = [
  "layer",
  "output",
  "mean y",
  "std y",
  "rms y",
  "rms dy",
  "|W|",
  "|dW|",
  "update/W",
  "dead",
  "flat",
  "kept",
  "operations",
  "forward",
  "backward",
];
const KEY =
  "rms: root mean square, with a bar on a logarithmic scale; |.|: Euclidean norm, W: all parameters of the layer; " +
  "update/W: the norm of the step's change over the norm of W, by a rule of thumb about 1e−3; dead: relu units that " +
  "are 0 in every row; flat: sigmoid or tanh outputs where the slope is below 5 % of its steepest; kept: memory " +
  "that forward keeps for backward; the time of a composite includes its layers. All figures are those of the whole " +
  "arrays, also where the page keeps a part.";

function figures_table(holder, step) {
  const bars = ["y.rms", "dy.rms"].map((name) => bar_of(step.layers.map((layer) => Number(layer.figures[name]))));
  const rows = element("table");
  const head = element("tr");
  for (const title of COLUMNS) head.append(element("th", { scope: "col" }, title));
  rows.append(element("caption", { class: "figures-key" }, step.optimizer));
  const top = element("thead");
  top.append(head);
  const body = element("tbody");
  for (const layer of step.layers) body.append(figures_row(layer, bars));
  rows.append(top, body);
  const scroller = element("div", {
    class: "scroller",
    tabindex: "0",
    role: "region",
    "aria-label": "Figures by layer",
  });
  scroller.append(rows);
  holder.append(scroller, element("p", { class: "figures-key" }, KEY));
}

function figures_row(layer, [bar_y, bar_dy]) {
  const figure = (name) => layer.figures[name];
  const text = (value) => (value == null ? "" : number(Number(value)));
  const params = Object.values(layer.params).map((each) => each.figures);
  const together = (name) => {
    const present = params.filter((each) => each[name] != null);
    return present.length ? Math.hypot(...present.map((each) => Number(each[name]))) : null;
  };
  const [weight, update] = [together("norm"), together("update_norm")];
  const units = layer.has("y") ? layer.shape("y").at(-1) : 0;
  const row = element("tr");
  const name = element("th", { scope: "row", title: layer.kind }, layer.name);
  name.style.paddingLeft = `${0.6 + layer.depth}rem`;
  row.append(name);
  const cells = [
    [layer.has("y") ? layer.shape("y").slice(1).join(" × ") : ""],
    [text(figure("y.mean"))],
    [text(figure("y.std"))],
    [text(figure("y.rms")), bar_y(figure("y.rms"))],
    [text(figure("dy.rms")), bar_dy(figure("dy.rms"))],
    [text(weight)],
    [text(together("gradient_norm"))],
    [weight && update !== null ? number(update / weight) : ""],
    [figure("dead_units") == null ? "" : `${figure("dead_units")} of ${units}`],
    [figure("saturated") == null ? "" : `${(100 * figure("saturated")).toFixed(1)} %`],
    [in_units(figure("kept_bytes"), ["B", "kB", "MB", "GB"])],
    [figure("operations") == null ? "?" : in_units(figure("operations"), ["", "k", "M", "G"])],
    [duration(figure("forward_seconds"))],
    [duration(figure("backward_seconds"))],
  ];
  for (const [content, bar] of cells) {
    const cell = element("td", {}, content);
    if (bar) cell.append(bar);
    row.append(cell);
  }
  return row;
}

// A function that draws a number as a bar, on a logarithmic scale from a tenth of the smallest number to the largest.
function bar_of(numbers) {
  const positive = numbers.filter((each) => each > 0 && Number.isFinite(each));
  const [low, high] = [Math.log10(Math.min(...positive)) - 1, Math.log10(Math.max(...positive))];
  return (value) => {
    if (value == null) return null;
    const meter = element("span", { class: "meter", "aria-hidden": "true" });
    const fill = element("i");
    const share = Number(value) > 0 ? (Math.log10(Number(value)) - low) / (high - low) : 0;
    fill.style.width = `${100 * Math.min(Math.max(share, 0), 1)}%`;
    meter.append(fill);
    return meter;
  };
}

function in_units(value, units) {
  if (value == null) return "";
  let place = 0;
  while (value >= 1000 && place < units.length - 1) [value, place] = [value / 1000, place + 1];
  return `${Number(value.toPrecision(3))} ${units[place]}`.trim();
}

function duration(seconds) {
  if (!seconds) return "";
  const [value, unit] = seconds < 1e-3 ? [1e6 * seconds, "µs"] : [1e3 * seconds, "ms"];
  return `${value >= 10 ? value.toFixed(0) : value.toFixed(1)} ${unit}`;
}
