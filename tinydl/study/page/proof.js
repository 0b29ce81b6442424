// The page's proof of itself, on the page: how many entries were recomputed, how many are wrong, and what was left out.

// Recomputes some entries at a time, so that the page stays usable meanwhile.
function prove(step, box) {
  const run = recomputing(step);
  const go_on = () => {
    const { value: result } = run.next();
    if (result.finished) return show_proof(step, result, box);
    box.textContent = `Recomputing every entry: ${grouped(result.entries)} so far ...`;
    setTimeout(go_on);
  };
  setTimeout(go_on);
}

// The cells of single numbers whose text is not their value.
function misprints() {
  const singles = [...document.querySelectorAll("td")].filter((cell) => SINGLE.includes(cell.entry?.key));
  return singles
    .map((cell) => ({ ...explain(cell.entry.owner, cell.entry.key, cell.entry.index), printed: cell.textContent }))
    .filter(({ stored, printed }) => misprinted(stored, printed));
}

function show_proof(step, result, box) {
  const off = misprints();
  const known = new Set(result.wrong.map(address_of));
  result.wrong.push(...off.filter((each) => !known.has(address_of(each))));
  box.textContent = `${short_proof(result)}.`;
  box.className = result.wrong.length ? "wrong" : "right";
  Object.assign(box.dataset, {
    recomputed: result.recomputed,
    wrong: result.wrong.length,
    entries: result.entries,
    worst: result.worst,
  });
  box.append(proof_details(step, result));
  console.log(proof(result));
}

function proof_details(step, result) {
  const details = element("details");
  const epsilon = step.dtype === "float64" ? "2⁻⁵²" : "2⁻²³";
  const text =
    `This page computed each entry of y, dx, dy and of every gradient anew, in float64, from the terms that it ` +
    `shows, and compared it with what the step computed in ${step.dtype}. They may differ by ε (12 + n/2) times the ` +
    `sum of the magnitudes of the n terms, ε = ${epsilon}: what rounding can do to a sum of n products, and a dozen ` +
    `roundings for exp and the like. The largest difference was ${(100 * result.worst).toFixed(0)} % of that.`;
  const reasons = [...result.reasons].map(([reason, count]) => `${grouped(count)} not explained because ${reason}`);
  const wrong = result.wrong.slice(0, 20).map((found) => {
    const printed = found.printed ? `; printed: ${found.printed}` : "";
    return `wrong, ${found.owner.path ?? "loss"}: ${line(found)}; anew: ${found.value}${printed}`;
  });
  const list = element("ul");
  list.append(...[...wrong, ...reasons].map((each) => element("li", {}, each)));
  details.append(element("summary", {}, "what this means"), element("p", {}, text), list);
  return details;
}
