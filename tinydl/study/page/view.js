// The page: a section for each layer, the entry that is pointed at with what it is made of, and the walk.

function start() {
  const step = read(document.getElementById("trace").textContent);
  const options = { row: 0, logarithmic: false, largest: 1 };
  const cells = new Map(); // "number:index" -> the cells that show this entry
  const boxes = new Map(); // owner -> {section, holder, filled}
  let pointed = null; // {owner, key, index}
  let pinned = false;

  const $ = (id) => document.getElementById(id);

  // --- heading and controls ---

  function heading() {
    const { loss } = step;
    const penalty = Number(step.penalty) ? ` + penalties ${number(Number(step.penalty))}` : "";
    $("title").textContent = `${step.model}: one training step`;
    $("about").textContent = `${step.rows} ${step.rows === 1 ? "row" : "rows"}, ${loss.kind} ${
      number(loss.array("value").at([]))}${penalty}; ${/^\w+/.exec(step.optimizer)}, learning rate ${Number(Number(step.learning_rate).toPrecision(4))}; ${step.parameters.toLocaleString("en-US")} parameters, ${step.dtype}. `;
    const how = "Point at a number, or move to it with Tab and the arrow keys, to see what it is made of; click or Enter holds it.";
    $("about").append(element("span", { class: "how" }, how));
    for (const note of [...step.notes, ...loss.notes]) $("about").after(element("p", { class: "note" }, `Note: ${note}.`));
    for (const m of range(step.rows)) $("row").append(element("option", { value: m }, String(m)));
    $("row").addEventListener("change", () => {
      options.row = Number($("row").value);
      draw();
    });
    $("scaling").addEventListener("change", () => {
      options.logarithmic = $("scaling").value === "page";
      draw();
    });
    const system = matchMedia("(prefers-color-scheme: dark)");
    const theme = () => {
      const chosen = $("theme").value;
      document.documentElement.dataset.theme = chosen === "auto" ? (system.matches ? "dark" : "light") : chosen;
    };
    $("theme").addEventListener("change", theme);
    system.addEventListener("change", theme);
    theme();
    document.head.append(element("style", {}, scale_css()));
  }

  function legend() {
    const end = options.logarithmic ? number(options.largest) : "max";
    const shades = range(2 * STEPS + 1).map((k) => element("i", { class: `q${k - STEPS}` }));
    $("legend").replaceChildren(`−${end}`, ...shades.slice(0, STEPS), "0", ...shades.slice(STEPS), `+${end}`);
    $("legend").setAttribute("aria-label", `The scale of colours: blue below zero, neutral at zero, red above zero, to ±${
      options.logarithmic ? `${end}, logarithmic over six powers of ten` : "the largest number of each array, which its heading names"}.`);
  }

  // --- a section for each layer ---

  function sections() {
    for (const owner of [...step.layers, step.loss]) {
      const section = element("section", { class: "layer", tabindex: "-1", "aria-label": owner.isLoss ? `loss, ${owner.kind}` : owner.label });
      section.style.setProperty("--depth", owner.depth ?? 0);
      section.style.marginLeft = `${1.6 * (owner.depth ?? 0)}rem`;
      const shapes = owner.isLoss ? "" : ["x", "y"].map((key) => (owner.has(key) ? owner.shape(key).slice(1).join("×") || "1" : "?")).join(" → ");
      const title = element("h2", {}, owner.isLoss ? "the loss" : owner.name);
      title.append(element("small", {}, owner.kind), element("small", {}, `${settings_text(owner)}`), element("small", {}, shapes));
      section.append(title);
      if (owner.around) title.append(element("small", {}, `inside ${owner.around.name}`));
      for (const note of owner.isLoss ? [] : owner.notes) section.append(element("p", { class: "note" }, `Note: ${note}.`));
      section.append(formulas(owner));
      if (owner.kind === "Sequential" && owner.of_tinydl) section.append(element("p", { class: "note" }, chain_text(owner)));
      const holder = element("div", { class: "arrays" });
      section.append(holder);
      boxes.set(owner, { section, holder, filled: false });
      $("layers").append(section);
    }
  }

  function chain_text(owner) {
    const [first, last] = [owner.parts[0].name, owner.parts.at(-1).name];
    return `Its x and dx are those of its first layer, ${first}; its y and dy are those of its last one, ${last}.`;
  }

  function settings_text(owner) {
    const left_out = ["window", "kernel_initializer", "units", "filters", "use_bias"];
    return Object.entries(owner.settings)
      .filter(([name, value]) => !left_out.includes(name) && value !== null && value !== false && !(name === "label_smoothing" && !value))
      .map(([name, value]) => `${name}=${Array.isArray(value) ? `(${value})` : typeof value === "object" ? JSON.stringify(value) : value}`).join(", ");
  }

  function formulas(owner) {
    const list = element("dl", { class: "formulas" });
    const known = owner.of_tinydl ? FORMULAS[owner.kind] : null;
    const given = [["forward", owner.forward, known?.[0]], ["backward", owner.backward, known?.[1]]];
    for (const [name, lines, ours] of given) {
      if (!ours && !lines.length) continue;
      const text = element("dd");
      if (ours) {
        const activation = owner.settings.activation;
        const formulae = ours.map((tex) => `<span>${mathml(tex)}</span>`);
        text.innerHTML = formulae.join("");
        if (name === "forward" && ours.some((tex) => tex.includes("f("))) text.append(element("span", {}, `f: ${activation ?? "linear"}`));
      } else {
        text.append(element("pre", {}, lines.join("\n")));
      }
      list.append(element("dt", {}, name), text);
    }
    return list;
  }

  // The arrays of a layer in pairs: each with its gradient below it.
  function pairs_of(owner) {
    if (owner.kind === "Sequential" && owner.of_tinydl) return [];
    if (owner.isLoss) return [["y_pred", "dy"], ["y_true"], ["sample_weight"], ["value"]];
    let params = Object.keys(owner.params).map((key) => [`params.${key}`, `grads.${key}`]);
    const kept = ["kept.mask", "kept.statistics.0", "kept.statistics.1"].filter((key) => owner.has(key)).map((key) => [key]);
    params.push(...kept);
    if (owner.has("params.gamma")) params = [params.flat()]; // short rows of numbers stand in one column
    const penalty = owner.array("penalty").at([]) ? [["penalty"]] : [];
    return [["x", "dx"], ...params, ["y", "dy"], ...penalty];
  }

  function fill(owner) {
    const box = boxes.get(owner);
    box.filled = true;
    const pairs = pairs_of(owner).map((keys) => {
      const pair = element("div", { class: `pair${tall(owner, keys) ? " beside" : ""}` });
      for (const key of keys) {
        if (SINGLE.includes(key) || owner.has(key)) pair.append(heat(owner, key, options, cells));
      }
      return pair;
    });
    box.holder.replaceChildren(...pairs.filter((pair) => pair.children.length));
    for (const each of box.holder.querySelectorAll(".array")) each.owner = owner;
  }

  // Whether an array is so much taller than wide that its gradient had better stand beside it.
  function tall(owner, [key]) {
    const kept = owner.has(key) ? owner.array(key).kept : [];
    return kept.length === 2 && kept[0] > 12 && kept[0] > 1.5 * kept[1];
  }

  // Draws all arrays anew; in large networks, only those of sections near the window.
  function draw() {
    cells.clear();
    options.largest = largest_of_all();
    legend();
    for (const [owner, box] of boxes) {
      box.filled = false;
      if (large()) box.holder.replaceChildren();
      else fill(owner);
    }
    if (large()) watch();
    reveal();
    if (pointed) light();
  }

  function largest_of_all() {
    let largest = 0;
    for (const { data, dtype } of step.arrays) {
      if (dtype.startsWith("float")) for (const value of data) if (Math.abs(value) > largest && Number.isFinite(value)) largest = Math.abs(value);
    }
    return largest || 1;
  }

  function large() {
    return step.arrays.reduce((sofar, array) => sofar + Math.min(array.size, MOST_CELLS), 0) > 60000;
  }

  let watcher = null;
  function watch() {
    watcher?.disconnect();
    watcher = new IntersectionObserver((seen) => {
      for (const { isIntersecting, target } of seen) {
        const owner = [...boxes.keys()].find((each) => boxes.get(each).section === target);
        if (isIntersecting && !boxes.get(owner).filled) {
          fill(owner);
          reveal();
          if (pointed) light();
        }
      }
    }, { rootMargin: "600px" });
    for (const { section } of boxes.values()) watcher.observe(section);
  }

  // --- pointing at an entry ---

  // The entries that made an entry, without doubles: {owner, key, index}.
  function makers(sum) {
    const found = new Map();
    const add = (factor) => {
      for (const each of factor.owner ? [factor] : factor.from) found.set(`${each.owner.array(each.key).number}:${each.index.join(",")}`, each);
    };
    for (const term of sum.terms) term.factors.forEach(add);
    sum.more().forEach(add);
    return found;
  }

  function mark(name, at) {
    for (const cell of cells.get(at) ?? []) cell.classList.add(name);
    return cells.has(at);
  }

  function unlight() {
    for (const name of ["lit", "target", "strong"]) {
      for (const cell of document.querySelectorAll(`td.${name}`)) cell.classList.remove(name);
    }
    for (const box of document.querySelectorAll(".lights")) box.classList.remove("lights");
  }

  function light() {
    unlight();
    const { owner, key, index } = pointed;
    const found = explain(owner, key, index);
    let hidden = 0;
    if (found.sum) {
      for (const at of makers(found.sum).keys()) if (!mark("lit", at)) hidden++;
      for (const cell of document.querySelectorAll("td.lit")) cell.closest(".array").classList.add("lights");
    }
    mark("target", `${owner.array(key).number}:${index.join(",")}`);
    say(found, hidden);
  }

  function say(found, hidden) {
    const text = line(found);
    const name = named(found);
    const said = element("p", { class: "said" });
    said.append(element("b", {}, name), text.slice(name.length));
    const second = element("p", { class: "second" });
    const of = found.owner.isLoss ? "of the loss" : `of ${found.owner.path}`;
    if (found.sum) {
      const digits = found.owner.step.dtype === "float64" ? 17 : 9;
      const judged = reason_not_to_judge(found) === null;
      const agree = judged ? (found.right ? "the same to rounding" : "NOT the same") : "which proves nothing here";
      const elsewhere = step.rows > 1 ? "in other rows of the batch, or not drawn" : "not drawn";
      second.textContent = `${of}${pattern(found.sum)}; computed in the step: ${shortest(found.stored, digits)}, anew: ${
        shortest(found.value, digits)}, ${agree}${hidden ? `; ${hidden} more entries contribute that are ${elsewhere}` : ""}`;
    } else {
      second.textContent = of;
    }
    if (found.sum?.terms.length > 1) {
      const all = element("button", { "aria-expanded": String(!$("terms").hidden) }, `all ${found.sum.terms.length} terms`);
      all.addEventListener("click", () => {
        $("terms").hidden = !$("terms").hidden;
        all.setAttribute("aria-expanded", String(!$("terms").hidden));
        pinned = true;
      });
      second.append(all);
    }
    $("explanation").replaceChildren(said, second);
    list_terms(found);
  }

  // What the factors are: the first term of each road, or of all.
  function pattern(sum) {
    const roads = new Map();
    for (const term of sum.terms) if (!roads.has(term.road)) roads.set(term.road, term);
    const firsts = sum.terms.length > 2 ? [...roads.values()].slice(0, 4) : sum.terms;
    if (!firsts.length || sum.terms.every((term) => term.factors.length === 1 && term.road)) return "";
    const text = firsts.map(names_text).join(" + ");
    return `: ${text}${sum.terms.length > firsts.length ? " + ..." : ""}`;
  }

  function shortest(value, digits) {
    return Number.isFinite(value) ? String(Number(value.toPrecision(digits))).replaceAll("-", "−") : number(value);
  }

  function list_terms(found) {
    const list = element("ol");
    for (const term of found.sum?.terms.slice(0, 2000) ?? []) {
      const road = term.road ? `${term.road}: ` : "";
      const item = element("li", { tabindex: "-1" }, `${road}${names_text(term)} = ${product_text(term)} = ${number(term.value)}`);
      item.addEventListener("pointerenter", () => {
        for (const cell of document.querySelectorAll("td.strong")) cell.classList.remove("strong");
        for (const factor of term.factors) {
          for (const each of factor.owner ? [factor] : factor.from) mark("strong", `${each.owner.array(each.key).number}:${each.index.join(",")}`);
        }
      });
      list.append(item);
    }
    const rest = (found.sum?.terms.length ?? 0) - list.children.length;
    $("terms").replaceChildren(list, ...(rest > 0 ? [element("p", {}, `and ${rest} more`)] : []));
    if (!found.sum || found.sum.terms.length < 2) $("terms").hidden = true;
  }

  function point(entry_of, pin) {
    pointed = entry_of;
    pinned = pin;
    light();
  }

  function release() {
    pointed = null;
    pinned = false;
    unlight();
    $("terms").hidden = true;
    $("explanation").replaceChildren(element("p", { class: "second" }, "Point at a number to see what it is made of."));
  }

  function pointing() {
    const layers = $("layers");
    layers.addEventListener("pointerover", (event) => {
      const cell = event.target.closest?.("td");
      if (cell?.entry && !pinned && event.pointerType === "mouse") point(cell.entry, false);
    });
    layers.addEventListener("click", (event) => {
      const cell = event.target.closest?.("td");
      if (!cell?.entry) return;
      const again = pinned && cell.classList.contains("target");
      if (again) pinned = false;
      else point(cell.entry, true);
    });
    layers.addEventListener("focusin", (event) => {
      const cell = event.target.closest?.("td");
      if (cell?.entry && event.target.matches(":focus-visible")) point(cell.entry, pinned);
    });
    layers.addEventListener("keydown", (event) => {
      const cell = event.target.closest?.("td");
      if (!cell?.entry) return;
      if (event.key === "Enter" || event.key === " ") {
        pinned = !pinned;
        event.preventDefault();
        return;
      }
      const next = beside(cell, event.key);
      if (!next) return;
      event.preventDefault();
      event.stopPropagation();
      cell.tabIndex = -1;
      next.tabIndex = 0;
      next.focus();
      point(next.entry, pinned);
    });
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape") release();
      const free = !event.target.closest?.("select, input, [role=tab], td, [role=tabpanel] a");
      if (free && !$("layers").hidden && event.key === "ArrowRight") go(Number($("walk").value) + 1);
      if (free && !$("layers").hidden && event.key === "ArrowLeft") go(Number($("walk").value) - 1);
    });
  }

  function beside(cell, key) {
    const [r, c] = [cell.parentElement.rowIndex, cell.cellIndex];
    const rows = cell.closest("table").rows;
    const to = { ArrowUp: [r - 1, c], ArrowDown: [r + 1, c], ArrowLeft: [r, c - 1], ArrowRight: [r, c + 1], Home: [r, 0],
      End: [r, rows[0].cells.length - 1] }[key];
    return to ? rows[to[0]]?.cells[to[1]] ?? cell : null;
  }

  // --- the walk: forward through the layers, then back ---

  const FORWARD = ["x", "y", "y_pred", "y_true", "sample_weight", "value", "penalty"];

  function events() {
    const forward = [];
    const back = [];
    const visit = (layer) => {
      layer.parts.forEach(visit);
      forward.push({ owner: layer, direction: "forward" });
    };
    const unwind = (layer) => {
      [...layer.parts].reverse().forEach(unwind);
      back.push({ owner: layer, direction: "backward" });
    };
    step.chain.forEach(visit);
    [...step.chain].reverse().forEach(unwind);
    return [...forward, { owner: step.loss, direction: "forward" }, { owner: step.loss, direction: "backward" }, ...back];
  }

  const walk = events();

  function place_text(at) {
    if (at === 0) return "before the step";
    const { owner, direction } = walk[at - 1];
    const name = owner.isLoss ? "the loss" : owner.path;
    const where = direction === "forward" ? (owner.isLoss ? "compares y with the targets" : "gets x, returns y")
      : owner.isLoss ? "returns the first dy" : "gets dy, returns dx";
    return `${at} of ${walk.length}, ${direction}: ${name} ${where}${at === walk.length ? ". The step is complete" : ""}`;
  }

  // Fades the arrays that the walk has not reached.
  function reveal() {
    const at = Number($("walk").value);
    const reached = new Set(walk.slice(0, at).map(({ owner, direction }) => `${direction} ${owner.path ?? "loss"}`));
    for (const box of document.querySelectorAll(".array")) {
      const { key } = box.dataset;
      const direction = FORWARD.includes(key) || key.startsWith("params.") || key.startsWith("kept.") ? "forward" : "backward";
      box.classList.toggle("later", !reached.has(`${direction} ${box.owner.path ?? "loss"}`));
    }
    for (const [owner, { section }] of boxes) section.classList.toggle("now", at > 0 && at < walk.length && walk[at - 1].owner === owner);
    $("place").textContent = place_text(at);
    $("walk").setAttribute("aria-valuetext", place_text(at));
  }

  function go(to) {
    const at = Math.min(Math.max(to, 0), walk.length);
    $("walk").value = at;
    reveal();
    if (at > 0) boxes.get(walk[at - 1].owner).section.scrollIntoView({ block: "center" });
    else scrollTo({ top: 0 });
  }

  function walking() {
    $("walk").max = walk.length;
    $("walk").value = walk.length;
    $("walk").addEventListener("input", () => go(Number($("walk").value)));
    $("back").addEventListener("click", () => go(Number($("walk").value) - 1));
    $("on").addEventListener("click", () => go(Number($("walk").value) + 1));
  }

  // --- tabs ---

  function tabs() {
    const all = [...document.querySelectorAll("[role=tab]")];
    const choose = (tab) => {
      for (const each of all) {
        const chosen = each === tab;
        each.setAttribute("aria-selected", String(chosen));
        each.tabIndex = chosen ? 0 : -1;
        $(each.getAttribute("aria-controls")).hidden = !chosen;
      }
      $("bar").hidden = tab.id !== "tab-layers";
    };
    for (const tab of all) {
      tab.addEventListener("click", () => choose(tab));
      tab.addEventListener("keydown", (event) => {
        if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
        const other = all[(all.indexOf(tab) + 1) % all.length];
        choose(other);
        other.focus();
      });
    }
  }

  // --- the proof ---

  // Some entries at a time, so that the page stays usable meanwhile.
  function prove() {
    const run = recomputing(step);
    const more = () => {
      const { value: result, done } = run.next();
      if (done) return;
      const finished = show(result, run);
      if (!finished) setTimeout(more);
    };
    setTimeout(more);
  }

  function show(result, run) {
    $("proof").textContent = result.finished ? `${proof_line(result)}.` : `Recomputing every entry: ${result.entries.toLocaleString("en-US")} so far ...`;
    if (!result.finished) return false;
    const box = $("proof");
    box.className = result.wrong.length ? "wrong" : "right";
    Object.assign(box.dataset, { recomputed: result.recomputed, wrong: result.wrong.length, entries: result.entries });
    box.append(proof_details(result));
    console.log(proof(result));
    run.return();
    return true;
  }

  function proof_line(result) {
    const unexplained = result.entries - result.recomputed;
    const count = (value) => value.toLocaleString("en-US");
    return `${count(result.recomputed - result.wrong.length)} of ${count(result.recomputed)} entries recomputed, ${count(result.wrong.length)} wrong`
      + (unexplained ? `; ${count(unexplained)} not explained` : "");
  }

  function proof_details(result) {
    const details = element("details");
    details.append(element("summary", {}, "what this means"));
    const epsilon = step.dtype === "float64" ? "2⁻⁵²" : "2⁻²³";
    details.append(element("p", {}, `This page computed each entry of y, dx, dy and of every gradient anew, in float64, from the terms that it shows, and compared it with what the step computed in ${
      step.dtype}. The two may differ by ε (12 + n/2) times the sum of the magnitudes of the n terms, ε = ${epsilon}: what rounding can do to a sum of n products, and a dozen roundings for exp and the like. The largest difference was ${
      (100 * result.worst).toFixed(0)} % of that.`));
    const list = element("ul");
    for (const [reason, entries] of result.reasons) list.append(element("li", {}, `${entries.toLocaleString("en-US")} not explained because ${reason}`));
    for (const each of result.wrong.slice(0, 20)) list.append(element("li", {}, `wrong, ${each.owner.path ?? "loss"}: ${line(each)}; anew: ${each.value}`));
    details.append(list);
    return details;
  }

  heading();
  sections();
  walking();
  pointing();
  tabs();
  figures_table($("figures"), step);
  release();
  draw();
  prove();
  addEventListener("beforeprint", () => {
    for (const [owner, box] of boxes) if (!box.filled) fill(owner);
  });
  globalThis.tinydl = { step, explain, recompute: () => recompute(step), proof, line }; // for the console
}

if (typeof document !== "undefined") start();
