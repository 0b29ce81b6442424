// The subset of TeX in formulas.js as MathML, which browsers draw and screen readers read.

const SYMBOLS = {
  alpha: "α",
  beta: "β",
  gamma: "γ",
  delta: "δ",
  epsilon: "ε",
  mu: "μ",
  rho: "ρ",
  partial: "∂",
  sum: "∑",
  cdot: "·",
  odot: "⊙",
  in: "∈",
};
const FUNCTIONS = ["max", "exp", "log", "tanh"];
const OPERATORS = { "-": "−", "~": "∼", "<": "&lt;", ">": "&gt;" };

function mathml(tex) {
  const tokens = tex.match(/"[^"]*"|\\[a-zA-Z]+|\\,|\d+|\.\.\.|\+=|[^\s]/g);
  let at = 0;

  // A sequence up to the given closing token.
  function row(closing) {
    let content = "";
    while (at < tokens.length && tokens[at] !== closing) content += scripted();
    at++;
    return `<mrow>${content}</mrow>`;
  }

  // An atom with its subscript and superscript.
  function scripted() {
    const atom = one();
    let sub = null;
    let sup = null;
    while (tokens[at] === "_" || tokens[at] === "^") {
      if (tokens[at++] === "_") sub = one();
      else sup = one();
    }
    if (sub && sup) return `<msubsup>${atom}${sub}${sup}</msubsup>`;
    if (sub) return `<msub>${atom}${sub}</msub>`;
    return sup ? `<msup>${atom}${sup}</msup>` : atom;
  }

  function one() {
    const token = tokens[at++];
    if (token === "{") return row("}");
    if (token === "\\left") return `<mrow><mo>${tokens[at++]}</mo>${row("\\right")}<mo>${tokens[at++]}</mo></mrow>`;
    if (token === "\\frac") return `<mfrac>${one()}${one()}</mfrac>`;
    if (token === "\\sqrt") return `<msqrt>${one()}</msqrt>`;
    if (token === "\\hat") return `<mover accent="true">${one()}<mo stretchy="false">^</mo></mover>`;
    if (token === "\\,") return '<mspace width="0.35em"/>';
    if (token === "\\sum") return `<mo>∑</mo>`;
    if (token.startsWith('"')) return word(token.slice(1, -1));
    if (token.startsWith("\\")) return symbol(token.slice(1));
    if (/^\d/.test(token)) return `<mn>${token}</mn>`;
    if (/^[a-zA-Z]$/.test(token)) return `<mi>${token}</mi>`;
    if (token === "'") return "<mo>′</mo>";
    if (token === "|") return '<mo stretchy="false">|</mo>';
    const stretch = "()[]".includes(token) ? ' stretchy="false"' : "";
    return `<mo${stretch}>${OPERATORS[token] ?? token}</mo>`;
  }

  function symbol(name) {
    if (FUNCTIONS.includes(name)) return `<mi>${name}</mi>`;
    const operator = ["cdot", "odot", "in"].includes(name);
    return operator ? `<mo>${SYMBOLS[name]}</mo>` : `<mi>${SYMBOLS[name]}</mi>`;
  }

  // A name such as dW, or a few words of text.
  function word(text) {
    const greek = /^d(gamma|beta)$/.exec(text);
    if (greek) return `<mi>d${SYMBOLS[greek[1]]}</mi>`;
    if (/^d[a-zA-Z]$/.test(text)) return `<mi>${text}</mi>`;
    return `<mtext>${text}</mtext>`;
  }

  return `<math display="inline">${row(undefined)}</math>`;
}
