// A section for each layer: its name, its formulas, and its arrays in pairs, each with its gradient below it.

const LARGE = 60000; // cells; of larger pages, only sections near the window are drawn

class Sheet {
  constructor(step, holder) {
    this.step = step;
    this.options = { row: 0, logarithmic: false, largest: largest_of(step) };
    this.cells = new Map(); // address of an entry -> the cells that show it
    this.sections = new Map(); // owner -> {section, holder, filled}
    this.drawn = () => {}; // what to do after something has been drawn anew
    this.watcher = null;
    const size = step.arrays.reduce((sofar, array) => sofar + Math.min(array.size, MOST_CELLS), 0);
    this.large = size > LARGE;
    for (const owner of [...step.layers, step.loss]) holder.append(this.section(owner));
  }

  section(owner) {
    const section = element("section", { class: "layer", tabindex: "-1", "aria-label": label_of(owner) });
    const depth = owner.depth ?? 0;
    section.style.setProperty("--depth", depth);
    section.style.marginLeft = `${1.6 * depth}rem`;
    const title = element("h2", {}, owner.isLoss ? "the loss" : owner.path);
    const remarks = [owner.kind, settings_text(owner), owner.isLoss ? "" : shapes_text(owner)];
    title.append(...remarks.map((text) => element("small", {}, text)));
    section.append(title);
    for (const note of owner.isLoss ? [] : owner.notes)
      section.append(element("p", { class: "note" }, `Note: ${note}.`));
    section.append(formulas_of(owner));
    if (is_chain(owner)) section.append(element("p", { class: "note" }, chain_text(owner)));
    const holder = element("div", { class: "arrays" });
    section.append(holder);
    this.sections.set(owner, { section, holder, filled: false });
    return section;
  }

  // Draws all arrays anew; in large networks, only those of sections near the window.
  draw() {
    this.cells.clear();
    for (const [owner, each] of this.sections) {
      each.filled = false;
      if (this.large) each.holder.replaceChildren();
      else this.fill(owner);
    }
    if (this.large) this.watch();
    this.drawn();
  }

  draw_rest() {
    for (const [owner, { filled }] of this.sections) if (!filled) this.fill(owner);
  }

  fill(owner) {
    const place = this.sections.get(owner);
    place.filled = true;
    const pairs = pairs_of(owner).map((keys) => {
      const pair = element("div", { class: is_tall(owner, keys) ? "pair beside" : "pair" });
      for (const key of keys)
        if (SINGLE.includes(key) || owner.has(key)) pair.append(heat(owner, key, this.options, this.cells));
      return pair;
    });
    place.holder.replaceChildren(...pairs.filter((pair) => pair.children.length));
  }

  watch() {
    this.watcher?.disconnect();
    this.watcher = new IntersectionObserver(
      (seen) => {
        for (const { isIntersecting, target } of seen) {
          const [owner, { filled }] = [...this.sections].find(([, { section }]) => section === target);
          if (!isIntersecting || filled) continue;
          this.fill(owner);
          this.drawn();
        }
      },
      { rootMargin: "600px" },
    );
    for (const { section } of this.sections.values()) this.watcher.observe(section);
  }

  // Scrolls to a layer. In a large network its neighbours are drawn only then, which moves it: so it scrolls again.
  come_to(owner, again = this.large ? 2 : 0) {
    const { section, filled } = this.sections.get(owner);
    if (!filled) {
      this.fill(owner);
      this.drawn();
    }
    const block = section.offsetHeight > 0.7 * innerHeight ? "start" : "center";
    section.scrollIntoView({ block, behavior: this.large ? "instant" : "auto" });
    if (again) setTimeout(() => this.come_to(owner, again - 1), 100);
  }

  // Gives all cells of an entry a class; false if no cell shows it.
  mark(name, address) {
    for (const cell of this.cells.get(address) ?? []) cell.classList.add(name);
    return this.cells.has(address);
  }
}

// What the cells of an entry are found by: the number of its array, which several layers may show, and its index.
function address_of({ owner, key, index }) {
  return `${owner.array(key).number}:${index.join(",")}`;
}

function largest_of(step) {
  let largest = 0;
  for (const { data, dtype } of step.arrays) {
    if (!dtype.startsWith("float")) continue;
    for (const value of data) if (Number.isFinite(value)) largest = Math.max(largest, Math.abs(value));
  }
  return largest || 1;
}

function label_of(owner) {
  return owner.isLoss ? `loss, ${owner.kind}` : `${owner.path} (${owner.kind})`;
}

function shapes_text(owner) {
  const text = (key) => (owner.has(key) ? owner.shape(key).slice(1).join("×") || "1" : "?");
  return `${text("x")} → ${text("y")}`;
}

// Settings that the shapes tell, and those that are at work only before the step.
const UNSAID = ["window", "kernel_initializer", "units", "filters", "use_bias"];

function settings_text(owner) {
  const said = Object.entries(owner.settings).filter(([name, value]) => {
    const off = value === null || value === false || (name === "label_smoothing" && value === 0);
    return !off && !UNSAID.includes(name);
  });
  const text = (value) =>
    Array.isArray(value) ? `(${value})` : typeof value === "object" ? JSON.stringify(value) : value;
  return said.map(([name, value]) => `${name}=${text(value)}`).join(", ");
}

// The formulas of tinydl's own classes as MathML; for others, the lines of the docstring.
function formulas_of(owner) {
  const list = element("dl", { class: "formulas" });
  const ours = owner.of_tinydl && FORMULAS[owner.kind] ? formulas_for(owner) : undefined;
  const both = [
    ["forward", owner.forward, ours?.[0]],
    ["backward", owner.backward, ours?.[1]],
  ];
  for (const [name, lines, formulas] of both) {
    if (!formulas && !lines.length) continue;
    const text = element("dd");
    if (formulas) {
      text.innerHTML = formulas.map((tex) => `<span>${mathml(tex)}</span>`).join(""); // no text of the trace
      const has_f = name === "forward" && formulas.some((tex) => tex.includes("f(") || tex.includes("f\\left("));
      if (has_f && owner.kind !== "Sequential")
        text.append(element("span", {}, `f: ${owner.settings.activation ?? "linear"}`));
    } else {
      text.append(element("pre", {}, lines.join("\n")));
    }
    list.append(element("dt", {}, name), text);
  }
  return list;
}

// The arrays of a Sequential are those of its first and last layer, and drawn there.
function is_chain(owner) {
  return owner.kind === "Sequential" && owner.of_tinydl;
}

function chain_text(owner) {
  const [first, last] = [owner.parts[0].name, owner.parts.at(-1).name];
  return `Its x and dx are those of its first layer, ${first}; its y and dy are those of its last one, ${last}.`;
}

// The keys of the arrays that stand below one another.
function pairs_of(owner) {
  if (is_chain(owner)) return [];
  if (owner.isLoss) return [["y_pred", "dy"], ["y_true"], ["sample_weight"], ["value"]];
  const kept = ["kept.mask", "kept.statistics.0", "kept.statistics.1"].filter((key) => owner.has(key));
  const params = Object.keys(owner.params).map((key) => [`params.${key}`, `grads.${key}`]);
  const middle = owner.has("params.gamma") ? [[...params, kept].flat()] : [...params, kept]; // gamma's rows are short
  return [["x", "dx"], ...middle, ["y", "dy"], owner.array("penalty").at([]) ? ["penalty"] : []];
}

// Whether an array is so much taller than wide that its gradient had better stand beside it.
function is_tall(owner, [key]) {
  const kept = owner.has(key) ? owner.array(key).kept : [];
  return kept.length === 2 && kept[0] > 12 && kept[0] > 1.5 * kept[1];
}
