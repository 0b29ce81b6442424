// The walk through the step: forward, layer by layer, to the loss, and then back. What is not computed yet is faint.

class Walk {
  constructor(sheet, slider, place) {
    Object.assign(this, { sheet, slider, place, stations: stations_of(sheet.step) });
    slider.max = this.stations.length;
    slider.value = this.stations.length; // the step is complete
    slider.addEventListener("input", () => this.go(Number(slider.value)));
  }

  get at() {
    return Number(this.slider.value);
  }

  go(to) {
    this.slider.value = Math.min(Math.max(to, 0), this.stations.length);
    this.show();
    const station = this.stations[this.at - 1];
    if (station) this.sheet.come_to(station.owner);
    else scrollTo({ top: 0 });
  }

  // Marks the layer that the walk has come to, and the arrays that it has not reached.
  show() {
    const reached = new Set(this.stations.slice(0, this.at).map(({ owner, forward }) => `${forward} ${owner.path}`));
    const complete = this.at === this.stations.length;
    for (const [owner, { section }] of this.sheet.sections) {
      section.classList.toggle("now", !complete && this.stations[this.at - 1]?.owner === owner);
      for (const box of section.querySelectorAll(".array")) {
        box.classList.toggle("later", !reached.has(`${is_forward(box.dataset.key)} ${owner.path}`));
      }
    }
    this.place.textContent = this.text();
    this.slider.setAttribute("aria-valuetext", this.text());
  }

  text() {
    if (this.at === 0) return "before the step";
    const { owner, forward } = this.stations[this.at - 1];
    const count = this.stations.length;
    const does = owner.isLoss
      ? forward
        ? "the loss compares y with the targets"
        : "the loss returns the first dy"
      : forward
        ? `${owner.path} gets x, returns y`
        : `${owner.path} gets dy, returns dx`;
    const end = this.at === count ? ". The step is complete" : "";
    return `${this.at} of ${count}, ${forward ? "forward" : "backward"}: ${does}${end}`;
  }
}

// Where the walk stops: a composite returns y after the layers inside, and dx after them too.
function stations_of(step) {
  const visited = (layers) => layers.flatMap((layer) => [...visited(layer.parts), layer]);
  const returned = (layers) => [...layers].reverse().flatMap((layer) => [...returned(layer.parts), layer]);
  const forward = [...visited(step.chain), step.loss].map((owner) => ({ owner, forward: true }));
  const back = [step.loss, ...returned(step.chain)].map((owner) => ({ owner, forward: false }));
  return [...forward, ...back];
}

// Whether an array is there after the forward pass.
function is_forward(key) {
  const plain_keys = ["x", "y", "y_pred", "y_true", "sample_weight", "value", "penalty"];
  return plain_keys.includes(key) || key.startsWith("params.") || key.startsWith("kept.");
}
