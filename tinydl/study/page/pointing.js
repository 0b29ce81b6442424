// Pointing at an entry, by mouse, keyboard or touch: its makers light up, and a line says what it is made of.

class Pointing {
  constructor(sheet, layers, explanation, terms) {
    Object.assign(this, { sheet, layers, explanation, terms, at: null, held: false });
    this.listen();
    this.release();
  }

  point(at, held) {
    Object.assign(this, { at, held });
    this.light();
  }

  release() {
    Object.assign(this, { at: null, held: false });
    this.dark();
    this.terms.hidden = true;
    this.explanation.replaceChildren(element("p", { class: "second" }, "Point at a number to see what it is made of."));
  }

  // Lights up what made the entry that is pointed at, and says it. Also called after cells have been drawn anew.
  light() {
    if (!this.at) return;
    this.dark();
    const found = explain(this.at.owner, this.at.key, this.at.index);
    let hidden = 0;
    if (found.sum) {
      for (const address of makers(found.sum).keys()) if (!this.sheet.mark("lit", address)) hidden++;
      for (const cell of this.layers.querySelectorAll("td.lit")) cell.closest(".array").classList.add("lights");
    }
    this.sheet.mark("target", address_of(this.at));
    this.say(found, hidden);
  }

  dark(names = ["lit", "target", "strong"]) {
    for (const name of names)
      for (const cell of this.layers.querySelectorAll(`td.${name}`)) cell.classList.remove(name);
    if (names.length > 1) for (const box of this.layers.querySelectorAll(".lights")) box.classList.remove("lights");
  }

  say(found, hidden) {
    const text = line(found);
    const name = named(found);
    const said = element("p", { class: "said" });
    said.append(element("b", {}, name), text.slice(name.length));
    const second = element("p", { class: "second" }, second_line(found, hidden));
    const count = found.sum?.terms.length ?? 0;
    if (count > 1) second.append(" ", this.button(count));
    else this.terms.hidden = true;
    this.explanation.replaceChildren(said, second);
    this.list(found.sum?.terms ?? [], found.owner);
  }

  button(count) {
    const button = element("button", { "aria-expanded": String(!this.terms.hidden) }, `all ${count} terms`);
    button.addEventListener("click", () => {
      this.terms.hidden = !this.terms.hidden;
      button.setAttribute("aria-expanded", String(!this.terms.hidden));
      this.held = true;
    });
    return button;
  }

  list(terms, owner) {
    const list = element("ol");
    for (const term of terms.slice(0, 2000)) {
      const road = term.road ? `${term.road}: ` : "";
      const text = `${road}${names_text(term, owner)} = ${product_text(term)} = ${number(term.value)}`;
      const item = element("li", {}, text);
      item.addEventListener("pointerenter", () => {
        this.dark(["strong"]);
        for (const maker of term.factors.flatMap(entries_of)) this.sheet.mark("strong", address_of(maker));
      });
      list.append(item);
    }
    const rest = terms.length - list.children.length;
    this.terms.replaceChildren(list, ...(rest > 0 ? [element("p", {}, `and ${rest} more`)] : []));
  }

  listen() {
    const entry_at = (event) => event.target.closest?.("td")?.entry;
    this.layers.addEventListener("pointerover", (event) => {
      if (entry_at(event) && !this.held && event.pointerType === "mouse") this.point(entry_at(event), false);
    });
    this.layers.addEventListener("click", (event) => {
      if (!entry_at(event)) return;
      const again = this.held && event.target.closest("td").classList.contains("target");
      if (again) this.held = false;
      else this.point(entry_at(event), true);
    });
    this.layers.addEventListener("focusin", (event) => {
      if (entry_at(event) && event.target.matches(":focus-visible")) this.point(entry_at(event), this.held);
    });
    this.layers.addEventListener("keydown", (event) => {
      if (entry_at(event)) this.key(event, event.target.closest("td"));
    });
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.release();
    });
  }

  key(event, cell) {
    if (event.key === "Enter" || event.key === " ") {
      this.held = !this.held;
      event.preventDefault();
      return;
    }
    const next = beside(cell, event.key);
    if (!next) return;
    event.preventDefault();
    event.stopPropagation(); // an arrow key outside the arrays walks through the layers
    cell.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
    this.point(next.entry, this.held);
  }
}

// The entries that a factor stands for or is made of.
function entries_of(factor) {
  return factor.owner ? [factor] : factor.from;
}

// The entries that made an entry, each once, by address.
function makers(sum) {
  const factors = [...sum.terms.flatMap((term) => term.factors), ...sum.more()];
  return new Map(factors.flatMap(entries_of).map((entry_found) => [address_of(entry_found), entry_found]));
}

function second_line(found, hidden) {
  const of = found.owner.isLoss ? "of the loss" : `of ${found.owner.path}`;
  if (!found.sum) return of;
  const { rows, dtype } = found.owner.step;
  const digits = dtype === "float64" ? 17 : 9;
  const judged = reason_not_to_judge(found) === null;
  const agree = judged ? (found.right ? "the same to rounding" : "NOT the same") : "which proves nothing here";
  const [stored, anew] = [found.stored, found.value].map((value) => exactly(value, digits));
  const numbers = `computed in the step: ${stored}, anew: ${anew}, ${agree}`;
  const elsewhere = rows > 1 ? "in other rows of the batch, or not drawn" : "not drawn";
  const rest = hidden ? `; ${hidden} more entries contribute that are ${elsewhere}` : "";
  return `${of}${pattern(found)}; ${numbers}${rest}`;
}

function exactly(value, digits) {
  return Number.isFinite(value) ? String(Number(value.toPrecision(digits))).replaceAll("-", "−") : number(value);
}

// The cell that a key leads to from a cell of the same table; null for other keys.
function beside(cell, key) {
  const [r, c] = [cell.parentElement.rowIndex, cell.cellIndex];
  const rows = cell.closest("table").rows;
  const places = {
    ArrowUp: [r - 1, c],
    ArrowDown: [r + 1, c],
    ArrowLeft: [r, c - 1],
    ArrowRight: [r, c + 1],
    Home: [r, 0],
    End: [r, rows[0].cells.length - 1],
  };
  return key in places ? (rows[places[key][0]]?.cells[places[key][1]] ?? cell) : null;
}
