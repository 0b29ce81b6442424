// formulas_for: the formulas of one layer or loss, with the terms that its settings add.
// FORMULAS: those of tinydl's own classes, in a small subset of TeX, in which "dW" is one name and \, is a space.
// Each class: the lines of its forward pass, then those of its backward pass.

const OF_WEIGHTS = String.raw`"da" = "dy" \odot f'(a)`;

const PREDICTED = String.raw`p = "y_pred", y = "y_true"`;

const FORMULAS = {
  Dense: [
    [String.raw`y_{mj} = f\left(\sum_i x_{mi} W_{ij} + b_j\right)`],
    [
      OF_WEIGHTS,
      String.raw`"dW"_{ij} = \sum_m x_{mi} "da"_{mj}`,
      String.raw`"db"_j = \sum_m "da"_{mj}`,
      String.raw`"dx"_{mi} = \sum_j "da"_{mj} W_{ij}`,
    ],
  ],
  Conv2D: [
    [String.raw`y_{mijf} = f\left(\sum_{pqc} x_{m,i s_h + p,j s_w + q,c} W_{pqcf} + b_f\right)`],
    [
      OF_WEIGHTS,
      String.raw`"dW"_{pqcf} = \sum_{mij} x_{m,i s_h + p,j s_w + q,c} "da"_{mijf}`,
      String.raw`"db"_f = \sum_{mij} "da"_{mijf}`,
      String.raw`"dx"_{muvc} = \sum_{pqf} "da"_{mijf} W_{pqcf}\, "where"\, u = i s_h + p, v = j s_w + q`,
    ],
  ],
  MaxPool2D: [
    [String.raw`y_{mijc} = \max_{pq} x_{m,i s_h + p,j s_w + q,c}`],
    [String.raw`"dx"_{muvc} = \sum "dy"_{mijc}\, "over the windows that pixel"\, (u, v)\, "won"`],
  ],
  AveragePool2D: [
    [String.raw`y_{mijc} = \frac{1}{k_{ij}} \sum_{pq} x_{m,i s_h + p,j s_w + q,c}`],
    [String.raw`"dx"_{muvc} = \sum \frac{"dy"_{mijc}}{k_{ij}}\, "over the windows that contain pixel"\, (u, v)`],
  ],
  GlobalAveragePool2D: [
    [String.raw`y_{mc} = \frac{1}{h w} \sum_{ij} x_{mijc}`],
    [String.raw`"dx"_{mijc} = \frac{"dy"_{mc}}{h w}`],
  ],
  ReLU: [[String.raw`y = \max(x, 0)`], [String.raw`"dx" = "dy" \cdot 1[x > 0]`]],
  LeakyReLU: [
    [String.raw`y = x\, "for"\, x > 0, "slope" \cdot x\, "elsewhere"`],
    [String.raw`"dx" = "dy"\, "for"\, x > 0, "slope" \cdot "dy"\, "elsewhere"`],
  ],
  Sigmoid: [[String.raw`y = \frac{1}{1 + \exp(-x)}`], [String.raw`"dx" = "dy" \cdot y (1 - y)`]],
  Tanh: [[String.raw`y = \tanh(x)`], [String.raw`"dx" = "dy" \cdot (1 - y^2)`]],
  Softmax: [
    [String.raw`y_j = \frac{\exp(x_j)}{\sum_k \exp(x_k)}`],
    [String.raw`"dx"_i = \sum_j "dy"_j y_j (1[i = j] - y_i)`],
  ],
  BatchNorm: [
    [
      String.raw`\mu = \frac{1}{N} \sum_i x_i`,
      String.raw`v = \frac{1}{N} \sum_i (x_i - \mu)^2`,
      String.raw`s = \frac{1}{\sqrt{v + \epsilon}}`,
      String.raw`\hat{x}_i = (x_i - \mu) s`,
      String.raw`y_i = f(\gamma \hat{x}_i + \beta)`,
    ],
    [
      String.raw`g = \gamma "dy" f'`,
      String.raw`"dx"_i = s g_i - s\, "mean"(g) - s \hat{x}_i\, "mean"(g \hat{x})`,
      String.raw`"dgamma" = \sum_i "dy"_i f' \hat{x}_i`,
      String.raw`"dbeta" = \sum_i "dy"_i f'`,
    ],
  ],
  LayerNorm: [
    [
      String.raw`\hat{x}_i = \frac{x_i - \mu}{\sqrt{v + \epsilon}}\, "over the features of a row"`,
      String.raw`y_i = \gamma_i \hat{x}_i + \beta_i`,
    ],
    [
      String.raw`g_i = \gamma_i "dy"_i`,
      String.raw`"dx"_i = s g_i - s\, "mean"(g) - s \hat{x}_i\, "mean"(g \hat{x})`,
      String.raw`"dgamma"_i = \sum "dy"_i \hat{x}_i`,
      String.raw`"dbeta"_i = \sum "dy"_i`,
    ],
  ],
  LocalResponseNorm: [
    [String.raw`s_j = k + \alpha \sum_{i \in N(j)} x_i^2`, String.raw`y_j = x_j s_j^{-\beta}`],
    [String.raw`"dx"_i = "dy"_i s_i^{-\beta} - 2 \alpha \beta x_i \sum_j "dy"_j x_j s_j^{-\beta - 1}`],
  ],
  Dropout: [
    [String.raw`y = x \cdot "mask"\, "with"\, "mask" = 0\, "or"\, \frac{1}{1 - "rate"}`],
    [String.raw`"dx" = "dy" \cdot "mask"\, "(the same mask)"`],
  ],
  MaskingNoise: [[String.raw`y = x \cdot "mask"`], [String.raw`"dx" = "dy" \cdot "mask"\, "(the same mask)"`]],
  GaussianNoise: [[String.raw`y = x + "stddev" \cdot e\, "with"\, e ~ N(0, 1)`], [String.raw`"dx" = "dy"`]],
  Flatten: [[String.raw`y_m = x_m\, "read row by row"`], [String.raw`"dx" = "dy"\, "in the shape of"\, x`]],
  PadChannels: [[String.raw`y = [x, 0]`], [String.raw`"dx" = "the first channels of"\, "dy"`]],
  Sequential: [[String.raw`y = f_k(... f_2(f_1(x)))`], [String.raw`"dx" = J_1^T (... J_{k-1}^T (J_k^T "dy"))`]],
  Residual: [
    [String.raw`y = f("body"(x) + "shortcut"(x))`],
    [OF_WEIGHTS, String.raw`"dx" = J_"body"^T "da" + J_"shortcut"^T "da"\, "(without a shortcut: "\, + "da)"`],
  ],
  Branches: [
    [String.raw`y = [b_1(x), b_2(x), ..., b_k(x)]`],
    [String.raw`"dx" = J_1^T "dy"_1 + J_2^T "dy"_2 + ... + J_k^T "dy"_k`],
  ],
  AuxiliaryHead: [
    [String.raw`y = x`, String.raw`P = "weight" \cdot L("head"(x), "targets")`],
    [String.raw`"dx" = "dy" + "weight" \cdot J_"head"^T \frac{\partial L}{\partial "head"(x)}`],
  ],
  ActivityL1: [
    [String.raw`y = x`, String.raw`P = \frac{"factor"}{n} \sum_{mj} |x_{mj}|`],
    [String.raw`"dx" = "dy" + \frac{"factor"}{n} "sign"(x)`],
  ],
  KLSparsity: [
    [
      String.raw`y = x`,
      String.raw`r_j = "mean"_m x_{mj}`,
      String.raw`P = "factor" \sum_j \left(\rho \log\frac{\rho}{r_j} + (1 - \rho) \log\frac{1 - \rho}{1 - r_j}\right)`,
    ],
    [String.raw`"dx"_{mj} = "dy"_{mj} + \frac{"factor"}{n} \left(-\frac{\rho}{r_j} + \frac{1 - \rho}{1 - r_j}\right)`],
  ],
  ContractivePenalty: [
    [String.raw`h = f(x W + b)`, String.raw`P = \frac{"factor"}{n} \sum_{mj} f'(a_{mj})^2 \sum_i W_{ij}^2`],
    [
      String.raw`"dh"_{mj} = "dy"_{mj} + \frac{"factor"}{n} 2 f'_{mj} s_j \frac{\partial f'_{mj}}{\partial h_{mj}}`,
      String.raw`"dW"_{ij} += \frac{"factor"}{n} 2 W_{ij} \sum_m f'(a_{mj})^2`,
    ],
  ],
  SoftmaxCrossEntropy: [
    [String.raw`p = "softmax"("y_pred")`, String.raw`L = -\frac{1}{n} \sum_m \sum_j y_{mj} \log p_{mj}`],
    [String.raw`"dy"_{mi} = \frac{1}{n} (p_{mi} - y_{mi})`],
  ],
  BinaryCrossEntropy: [
    [
      String.raw`p = "sigmoid"("y_pred")`,
      String.raw`L = -\frac{1}{N} \sum_k \left( y_k \log p_k + (1 - y_k) \log(1 - p_k) \right)`,
    ],
    [String.raw`"dy"_k = \frac{1}{N} (p_k - y_k)`],
  ],
  MeanSquaredError: [
    [PREDICTED, String.raw`L = \frac{1}{N} \sum_k (p_k - y_k)^2`],
    [String.raw`"dy"_k = \frac{2}{N} (p_k - y_k)`],
  ],
  MeanAbsoluteError: [
    [PREDICTED, String.raw`L = \frac{1}{N} \sum_k |p_k - y_k|`],
    [String.raw`"dy"_k = \frac{1}{N} "sign"(p_k - y_k)`],
  ],
  Huber: [
    [
      PREDICTED,
      String.raw`L = \frac{1}{N} \sum_k h(p_k - y_k)`,
      String.raw`h(e) = c e - \frac{c^2}{2}\, "with"\, c = "clip"(e, -\delta, \delta)`,
    ],
    [String.raw`"dy"_k = \frac{1}{N} "clip"(p_k - y_k, -\delta, \delta)`],
  ],
  Hinge: [
    [String.raw`s = "y_pred"`, String.raw`L = \frac{1}{N} \sum_k \max(0, 1 - y_k s_k)`],
    [String.raw`"dy"_k = -\frac{1}{N} y_k 1[y_k s_k < 1]`],
  ],
  KLDivergence: [
    [
      String.raw`p = "y_pred", q = "y_true"`,
      String.raw`L = \frac{1}{n} \sum_m \sum_j q_{mj} \log\frac{q_{mj}}{p_{mj}}`,
    ],
    [String.raw`"dy"_{mj} = -\frac{1}{n} \frac{q_{mj}}{p_{mj}}`],
  ],
  MaskedMeanSquaredError: [
    [PREDICTED, String.raw`L = \frac{1}{N} \sum_k r_k (p_k - y_k)^2\, "with"\, r_k = 0\, "in the gaps"`],
    [String.raw`"dy"_k = \frac{2}{N} r_k (p_k - y_k)`],
  ],
};

// The formulas as they are for this layer or loss: [forward, backward].
function formulas_for(owner) {
  const both = FORMULAS[owner.kind];
  if (owner.isLoss) return weighted(owner, both);
  return penalized(owner, owner.settings.window ? windowed(owner, both) : both);
}

// With padding, window (i, j) begins above and to the left of pixel (i s_h, j s_w).
function windowed(layer, [forward, backward]) {
  const [, , [[top, bottom], [left, right]]] = layer.settings.window;
  const shifted = (tex) =>
    tex
      .replaceAll("i s_h + p", top ? `i s_h + p - ${top}` : "i s_h + p")
      .replaceAll("j s_w + q", left ? `j s_w + q - ${left}` : "j s_w + q");
  const notes = [];
  if (layer.kind === "AveragePool2D")
    notes.push(String.raw`k_{ij}\, "is the number of the window's pixels in the image"`);
  if (top || bottom || left || right) {
    const outside = String.raw`x = 0\, "outside the image"`;
    notes.push(layer.kind === "Conv2D" ? outside : `"pixels outside the image are left out"`);
  }
  return [[...forward.map(shifted), ...notes], backward.map(shifted)];
}

// A kernel_regularizer adds P to the loss, and its derivative to dW.
function penalized(layer, [forward, backward]) {
  let factors = null;
  try {
    factors = regularizer(layer);
  } catch (error) {
    if (!(error instanceof Missing)) throw error; // a term of a user's
  }
  if (!factors) return [forward, backward];
  const W = layer.kind === "Dense" ? "W_{ij}" : "W_{pqcf}";
  const [P, slopes] = [[], []];
  if (factors.l1) {
    P.push(String.raw`"l1" \sum |W|`);
    slopes.push(` + "l1" \\cdot "sign"(${W})`);
  }
  if (factors.l2) {
    P.push(String.raw`"l2" \sum W^2`);
    slopes.push(` + 2 \\, "l2" \\cdot ${W}`);
  }
  if (!P.length) return [forward, backward];
  const with_slope = (tex) => (tex.startsWith('"dW"') ? tex + slopes.join("") : tex);
  return [[...forward, `P = ${P.join(" + ")}`], backward.map(with_slope)];
}

// sample_weight multiplies each row's terms of the loss; smoothed targets and unequal classes change the targets.
function weighted(loss, both) {
  const { label_smoothing: e, class_weight: classes } = loss.settings;
  let [forward, backward] = both;
  if (e) {
    const count = loss.kind === "BinaryCrossEntropy" ? "2" : '"classes"';
    forward = [
      String.raw`y = (1 - \epsilon) "y_true" + \frac{\epsilon}{${count}}\, "with"\, \epsilon = "${e}"`,
      ...forward,
    ];
  }
  if (loss.kind === "BinaryCrossEntropy" && classes) {
    forward = [...forward.slice(0, -1), OF_CLASSES[0], OF_CLASSES[1]];
    backward = [OF_CLASSES[2]];
  }
  if (!loss.has("sample_weight")) return [forward, backward];
  const with_weight = (tex) =>
    tex.replace(
      /(-?)\\frac\{[12]\}\{([Nn])\}( \\sum_[km])?/,
      (found, _, size) => `${found} w_${size === "N" ? "k" : "m"}`,
    );
  const about = String.raw`w = "sample_weight of the row"`;
  return [[about, ...forward.map(with_weight)], backward.map(with_weight)];
}

const OF_CLASSES = [
  String.raw`a = "weight of class 1" \cdot y, b = "weight of class 0" \cdot (1 - y)`,
  String.raw`L = -\frac{1}{N} \sum_k \left( a_k \log p_k + b_k \log(1 - p_k) \right)`,
  String.raw`"dy"_k = \frac{1}{N} (b_k p_k - a_k (1 - p_k))`,
];
