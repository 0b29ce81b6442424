SOLUTION = [
    "return (dy * (f(x + step) - f(x - step))).sum() / (2 * H)",
    "dy = rng.standard_normal(shape)",
    "return np.abs(claimed - measured).max() / size",
]
MISTAKES = {
    "one-sided": {0: "return (dy * (f(x + step) - f(x))).sum() / H"},
    "H for 2 H": {0: "return (dy * (f(x + step) - f(x - step))).sum() / H"},
    "dy forgotten": {0: "return (f(x + step) - f(x - step)).sum() / (2 * H)"},
    "dy of ones": {1: "dy = np.ones(shape)"},
    "no scale": {2: "return np.abs(claimed - measured).max()"},
    "signs cancel": {2: "return abs((claimed - measured).sum()) / size"},
}
MESSAGES = {
    "one-sided": ["to 7 digits", "move x[i] to both sides"],
    "H for 2 H": ["the distance between the two points is not H"],
    "dy forgotten": ["dy is not used"],
    "dy of ones": ["the backward of softmax is right", "if all dy are equal", "draw dy from rng"],
    "no scale": ["divide the largest difference by size"],
    "signs cancel": ["take their absolute values"],
}
