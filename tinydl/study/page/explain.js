// explain: how one entry came about. recompute: every entry anew, compared with what the step computed.

// {owner, key, index, stored, sum, value, tolerance, right} for an entry, or {owner, key, index, stored, why} with the
// reason that there is no explanation. Keys are those of Owner; "value" of the loss and "penalty" of a layer are single
// numbers, with the index [].
function explain(owner, key, index) {
  const found = { owner, key, index, stored: owner.array(key).at(index) };
  try {
    const sum = new Sum();
    terms_of(sum, owner, key, index);
    const value = sum.value;
    const tolerance = sum.tolerance(owner.step.epsilon);
    return { ...found, sum, value, tolerance, right: Math.abs(found.stored - value) <= tolerance };
  } catch (error) {
    if (!(error instanceof Missing)) throw error;
    return { ...found, why: error.message };
  }
}

// Whether the page can tell if an entry is right: a sum with NaN or infinity in it may be either, and 0 behind a mask.
function reason_not_to_judge({ why, sum, value }) {
  if (why) return why;
  if (!sum.proves) return "the noise is read off from y itself";
  return Number.isFinite(value) ? null : "NaN or infinity is among the terms";
}

function terms_of(sum, owner, key, index) {
  if (owner.isLoss) {
    if (key === "dy") return loss_gradient(sum, owner, owner, index, null);
    if (key === "value") return loss_value(sum, owner, owner, null);
    throw new Missing(GIVEN[key]);
  }
  if (key === "x") return input_of(sum, owner, index);
  if (key === "dy") return gradient_at_output(sum, owner, index);
  if (!owner.of_tinydl || !LAYERS[owner.kind]) throw new Missing(not_ours(owner));
  const rules = LAYERS[owner.kind];
  if (key.startsWith("grads.")) return parameter_gradient(sum, owner, key.slice("grads.".length), index);
  if (rules[key]) return rules[key](sum, owner, index);
  throw new Missing(GIVEN[key.split(".")[0]] ?? `the page has no explanation of ${shown(key)} of ${owner.kind}`);
}

const GIVEN = {
  x: "the data: given, not computed",
  y_pred: "the output of the last layer",
  y_true: "the targets: given, not computed",
  sample_weight: "the weights of the rows: given, not computed",
  params: "learnt in earlier steps, or drawn at random: given, not computed in this step",
  after: "what the optimizer made of the parameter and its gradient",
  kept: "drawn at random in this step, and used again in backward",
  state: "a running statistic: its value before the step is not in the trace",
  penalty: "this layer adds no term to the loss",
};

// The sum over all places that share the parameter, and over the terms of the loss that depend on it directly.
function parameter_gradient(sum, layer, name, index) {
  const number = layer.numbers[`grads.${name}`];
  const places = layer.step.layers.filter((each) => each.numbers[`grads.${name}`] === number);
  for (const place of places) {
    const rule = LAYERS[place.kind]?.grads?.[name];
    if (!rule || !place.of_tinydl) throw new Missing(not_ours(place));
    sum.road(places.length > 1 ? `in ${place.path}` : "");
    rule(sum, place, index);
    if (name !== "W") continue;
    contraction(sum, place, index);
    regularization(sum, place, index);
  }
  if (places.length > 1) sum.note = `${places.length} layers share ${name}, so their gradients add`;
}

function input_of(sum, layer, index) {
  if (!layer.around) {
    return from_below(sum, layer.step.chain, layer, index, () => {
      throw new Missing(GIVEN.x);
    });
  }
  rule_of_composite(layer, "part_x")(sum, layer.around, layer, index);
}

function gradient_at_output(sum, layer, index) {
  const { chain, loss } = layer.step;
  if (!layer.around) return from_above(sum, chain, layer, index, () => copied(sum, loss, "dy", index));
  rule_of_composite(layer, "part_dy")(sum, layer.around, layer, index);
}

function rule_of_composite(layer, name) {
  const around = layer.around;
  const rule = around.of_tinydl ? LAYERS[around.kind]?.[name] : null;
  if (!rule) throw new Missing(`only ${around.kind} knows: ${not_ours(around)}`);
  return rule;
}

// --- the page's proof of itself --------------------------------------------------------------------------------------

// The arrays whose entries the page computes anew: [owner, key]. An array that is handed on, the y of one layer that is
// the x of the next one, is one array, and counts where it was computed.
function computed(step) {
  const found = [
    [step.loss, "value"],
    [step.loss, "dy"],
  ];
  for (const layer of step.layers) {
    const first = layer.place === 0 && !layer.around;
    const gradients = Object.keys(layer.numbers).filter((key) => key.startsWith("grads."));
    const keys = [...(first ? [] : ["x"]), "y", "dy", "dx", ...gradients];
    if (layer.kind === "BatchNorm" && layer.of_tinydl) keys.push("kept.statistics.0", "kept.statistics.1");
    if (Number(layer.penalty) !== 0) found.push([layer, "penalty"]);
    for (const key of keys) if (layer.has(key)) found.push([layer, key]);
  }
  return found;
}

// Goes through all entries, some at a time, and yields the result so far after each portion:
// {entries, recomputed, wrong: [explanations], reasons: Map(reason -> entries), worst, finished}, where `worst` is the
// largest error as a share of its tolerance.
function* recomputing(step, portion = 5000) {
  const result = { entries: 0, recomputed: 0, wrong: [], reasons: new Map(), worst: 0 };
  const done = new Set(); // of arrays: the first place that explains an array counts
  let count = 0;
  for (const [owner, key] of computed(step)) {
    const array = owner.array(key);
    if (done.has(array.number) || !fits(owner, key, array) || copies(owner, key, array)) continue;
    done.add(array.number);
    for (let place = 0; place < array.size; place++) {
      const found = explain(owner, key, array.index(place));
      result.entries++;
      const reason = reason_not_to_judge(found);
      if (reason !== null) {
        result.reasons.set(reason, (result.reasons.get(reason) ?? 0) + 1);
      } else {
        result.recomputed++;
        if (!found.right) result.wrong.push(found);
        const share = Math.abs(found.value - found.stored) / found.tolerance;
        if (Number.isFinite(share)) result.worst = Math.max(result.worst, share);
      }
      if (++count % portion === 0) yield result;
    }
  }
  yield Object.assign(result, { finished: true });
}

// Whether it is the very array that another layer computed: then it counts there.
function copies(owner, key, array) {
  if (!array.size) return true;
  try {
    const sum = new Sum();
    terms_of(sum, owner, key, array.index(0));
    const [term] = sum.terms;
    const [factor] = term?.factors ?? [];
    return (
      sum.terms.length === 1 &&
      term.factors.length === 1 &&
      !sum.outer &&
      factor.owner !== undefined &&
      factor.owner.numbers[factor.key] === array.number
    );
  } catch (error) {
    if (error instanceof Missing) return false;
    throw error;
  }
}

// A dx that backward left out, as no layer below learns, is an empty array.
function fits(owner, key, array) {
  return key !== "dx" || same(array.shape, owner.shape("x"));
}

function recompute(step) {
  let last = null;
  for (const result of recomputing(step, Infinity)) last = result;
  return last;
}

// The result in words, with the most frequent reasons for entries that are not explained.
function proof(result) {
  const unexplained = result.entries - result.recomputed;
  if (!unexplained) return short_proof(result);
  const reasons = [...result.reasons].sort((one, other) => other[1] - one[1]);
  const first = reasons
    .slice(0, 3)
    .map(([reason, entries]) => `${reason} (${grouped(entries)})`)
    .join("; ");
  const more = reasons.length > 3 ? `; and ${reasons.length - 3} more reasons` : "";
  return `${short_proof(result)} because ${first}${more}`;
}

function short_proof(result) {
  const right = result.recomputed - result.wrong.length;
  const unexplained = result.entries - result.recomputed;
  const wrong = grouped(result.wrong.length);
  const counts = `${grouped(right)} of ${grouped(result.recomputed)} entries recomputed, ${wrong} wrong`;
  return unexplained ? `${counts}; ${grouped(unexplained)} not explained` : counts;
}
