// The page as a whole: heading, controls, tabs, and the parts in the other files.

function start() {
  const $ = (id) => document.getElementById(id);
  const step = read($("trace").textContent);
  document.head.append(element("style", {}, scale_css()));
  heading(step, $);
  theme($("theme"));
  const sheet = new Sheet(step, $("layers"));
  const pointing = new Pointing(sheet, $("layers"), $("explanation"), $("terms"));
  const walk = new Walk(sheet, $("walk"), $("place"));
  sheet.drawn = () => {
    walk.show();
    pointing.light();
  };
  controls(sheet, $);
  walking(walk, $);
  tabs($);
  figures_table($("figures"), step);
  legend($("legend"), sheet.options);
  sheet.draw();
  prove(step, $("proof"));
  addEventListener("beforeprint", () => sheet.draw_rest());
  globalThis.tinydl = { step, explain, recompute: () => recompute(step), proof, line }; // for the console
}

function heading(step, $) {
  const { loss } = step;
  const penalty = Number(step.penalty) ? ` + penalties ${number(Number(step.penalty))}` : "";
  const rate = Number(Number(step.learning_rate).toPrecision(4));
  const about = [
    `${step.rows} ${step.rows === 1 ? "row" : "rows"}, ${loss.kind} ${number(loss.array("value").at([]))}${penalty}`,
    `${/^\w*/.exec(step.optimizer)}, learning rate ${rate}`,
    `${grouped(step.parameters)} parameters, ${step.dtype}. `,
  ];
  const how =
    "Point at a number, or move to it with Tab and the arrow keys, to see what it is made of; click or Enter " +
    "holds it.";
  $("title").textContent = `${step.model}: one training step`;
  $("about").textContent = about.join("; ");
  $("about").append(element("span", { class: "how" }, how));
  for (const note of [...step.notes, ...loss.notes]) {
    $("about").after(element("p", { class: "note" }, `Note: ${note}.`));
  }
}

function theme(choice) {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const set = () => {
    const dark = choice.value === "auto" ? system.matches : choice.value === "dark";
    document.documentElement.dataset.theme = dark ? "dark" : "light";
  };
  choice.addEventListener("change", set);
  system.addEventListener("change", set);
  set();
}

function controls(sheet, $) {
  for (const m of range(sheet.step.rows)) $("row").append(element("option", { value: m }, String(m)));
  $("row").addEventListener("change", () => {
    sheet.options.row = Number($("row").value);
    sheet.draw();
  });
  $("scaling").addEventListener("change", () => {
    sheet.options.logarithmic = $("scaling").value === "page";
    legend($("legend"), sheet.options);
    sheet.draw();
  });
}

function legend(box, { logarithmic, largest }) {
  const end = logarithmic ? number(largest) : "max";
  const shades = range(2 * STEPS + 1).map((k) => element("i", { class: `q${k - STEPS}` }));
  box.replaceChildren(`−${end}`, ...shades.slice(0, STEPS), "0", ...shades.slice(STEPS), `+${end}`);
  const to = logarithmic ? `${end}, logarithmic over six powers of ten` : "the largest number of each array";
  box.setAttribute("aria-label", `Colours: blue below zero, neutral at zero, red above zero, to plus or minus ${to}.`);
}

function walking(walk, $) {
  $("back").addEventListener("click", () => walk.go(walk.at - 1));
  $("on").addEventListener("click", () => walk.go(walk.at + 1));
  document.addEventListener("keydown", (event) => {
    const step_of = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const free = !event.target.closest?.("select, input, [role=tab], td") && !$("layers").hidden;
    if (step_of && free) walk.go(walk.at + step_of);
  });
}

function tabs($) {
  const all = [...document.querySelectorAll("[role=tab]")];
  const choose = (tab) => {
    for (const each of all) {
      each.setAttribute("aria-selected", String(each === tab));
      each.tabIndex = each === tab ? 0 : -1;
      $(each.getAttribute("aria-controls")).hidden = each !== tab;
    }
    $("bar").hidden = tab !== all[0];
  };
  for (const [place, tab] of all.entries()) {
    tab.addEventListener("click", () => choose(tab));
    tab.addEventListener("keydown", (event) => {
      if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
      const other = all[(place + 1) % all.length];
      choose(other);
      other.focus();
    });
  }
}

if (typeof document !== "undefined") start();
