// Layers made of layers. `part_x` and `part_dy` say where the input of a part and the gradient at its output come from.

const Sequential = {
  y(sum, layer, index) {
    copied(sum, layer.parts.at(-1), "y", index);
  },
  dx(sum, layer, index) {
    copied(sum, layer.parts[0], "dx", index);
  },
  part_x(sum, layer, part, index) {
    from_below(sum, layer.parts, part, index, () => copied(sum, layer, "x", index));
  },
  part_dy(sum, layer, part, index) {
    from_above(sum, layer.parts, part, index, () => copied(sum, layer, "dy", index));
  },
};

function from_below(sum, chain, part, index, first) {
  if (part.place) copied(sum, chain[part.place - 1], "y", index);
  else first();
}

function from_above(sum, chain, part, index, last) {
  if (part.place < chain.length - 1) copied(sum, chain[part.place + 1], "dx", index);
  else last();
}

const Residual = {
  y(sum, layer, index) {
    const [body, shortcut] = layer.parts;
    sum.road("the body");
    sum.add(entry(body, "y", ...index));
    sum.road(shortcut ? "the shortcut" : "x, past the body");
    sum.add(shortcut ? entry(shortcut, "y", ...index) : entry(layer, "x", ...index));
    sum.through(activation_of(layer));
  },
  dx(sum, layer, index) {
    const [body, shortcut] = layer.parts;
    sum.road("through the body");
    sum.add(entry(body, "dx", ...index));
    sum.road(shortcut ? "through the shortcut" : "straight, past the body");
    if (shortcut) sum.add(entry(shortcut, "dx", ...index));
    else sum.add(...da(sum, layer, index));
    sum.note = "x is used twice, so its gradients add";
  },
  part_x(sum, layer, part, index) {
    copied(sum, layer, "x", index);
  },
  part_dy(sum, layer, part, index) {
    sum.add(...da(sum, layer, index));
    sum.note = "a sum passes its gradient on to both of its terms";
  },
};

const Branches = {
  y(sum, layer, index) {
    let channel = index.at(-1);
    for (const part of layer.parts) {
      const width = part.shape("y").at(-1);
      if (channel < width) {
        sum.note = `channel ${channel} of branch ${part.name}`;
        return copied(sum, part, "y", [...index.slice(0, -1), channel]);
      }
      channel -= width;
    }
  },
  dx(sum, layer, index) {
    for (const part of layer.parts) {
      sum.road(`through ${part.name}`);
      copied(sum, part, "dx", index);
    }
    sum.note = `x is used ${layer.parts.length} times, so its gradients add`;
  },
  part_x(sum, layer, part, index) {
    copied(sum, layer, "x", index);
  },
  part_dy(sum, layer, part, index) {
    const before = layer.parts.slice(0, part.place).reduce((sofar, each) => sofar + each.shape("y").at(-1), 0);
    copied(sum, layer, "dy", [...index.slice(0, -1), before + index.at(-1)]);
    sum.note = "dy is cut where the outputs were joined";
  },
};

const AuxiliaryHead = {
  y(sum, layer, index) {
    copied(sum, layer, "x", index);
    sum.note = "an identity: the head is a side exit";
  },
  dx(sum, layer, index) {
    sum.road("from the layers above");
    sum.add(entry(layer, "dy", ...index));
    sum.road("from the head");
    sum.add(entry(layer.parts[0], "dx", ...index));
    sum.note = "x is used twice, so its gradients add";
  },
  part_x(sum, layer, part, index) {
    copied(sum, layer, "x", index);
  },
  part_dy(sum, layer, part, index) {
    loss_gradient(sum, layer.step.loss, part, index, made("weight", layer.settings.weight));
  },
  penalty(sum, layer) {
    loss_value(sum, layer.step.loss, layer.parts[0], made("weight", layer.settings.weight));
  },
};
