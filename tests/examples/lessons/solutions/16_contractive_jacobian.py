SOLUTION = [
    "direct = 2 / n * W * (d ** 2).sum(axis=0)",
    "dd = 2 / n * d * s",
    "dh = dd * (-2 * h)",
    "dW = direct + x.T @ da",
]
MISTAKES = {
    "direct road only": {3: "dW = direct"},
    "road through d only": {3: "dW = x.T @ da"},
    "the sigmoid's slope": {2: "dh = dd * (1 - 2 * h)"},
    "sign": {2: "dh = dd * 2 * h"},
    "sum for mean": {0: "direct = 2 * W * (d ** 2).sum(axis=0)", 1: "dd = 2 * d * s"},
    "2 forgotten": {1: "dd = d * s / n"},
}
MESSAGES = {
    "direct road only": ["dW must be", "the road through d is missing"],
    "road through d only": ["the direct road, through s, is missing"],
    "the sigmoid's slope": ["1 - 2 h belongs to the sigmoid"],
    "sign": ["d = 1 - h^2 falls when h grows"],
    "sum for mean": ["a factor 1/n is missing"],
    "2 forgotten": ["the derivative of d^2 is 2 d"],
}
