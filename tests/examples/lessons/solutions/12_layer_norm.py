SOLUTION = [
    "dgamma = (dy * xhat).sum(axis=0)",
    """
    g = gamma * dy
    dx = s * (g - xhat * (g * xhat).mean(axis=1, keepdims=True))
    """,
]
MISTAKES = {
    "layer norm's formula": {
        1: "\n        g = gamma * dy\n        dx = s * (g - g.mean(axis=1, keepdims=True) - xhat * (g * xhat).mean(axis=1, keepdims=True))\n        "
    },
    "s constant": {1: "dx = gamma * dy * s"},
    "gamma outside the mean": {1: "dx = gamma * s * (dy - xhat * (dy * xhat).mean(axis=1, keepdims=True))"},
    "gamma forgotten": {1: "dx = s * (dy - xhat * (dy * xhat).mean(axis=1, keepdims=True))"},
    "sum for mean": {1: "dx = s * (gamma * dy - xhat * (gamma * dy * xhat).sum(axis=1, keepdims=True))"},
    "mean over the rows": {1: "dx = s * (gamma * dy - xhat * (gamma * dy * xhat).mean(axis=0))"},
    "mean over everything": {1: "dx = s * (gamma * dy - xhat * (gamma * dy * xhat).mean())"},
    "s forgotten": {1: "dx = gamma * dy - xhat * (gamma * dy * xhat).mean(axis=1, keepdims=True)"},
    "mean for dgamma": {0: "dgamma = (dy * xhat).mean(axis=0)"},
    "x for xhat": {0: "dgamma = (dy * x).sum(axis=0)"},
    "gamma in dgamma": {0: "dgamma = (gamma * dy * xhat).sum(axis=0)"},
    "no sum": {0: "dgamma = dy * xhat"},
    "sum of everything": {0: "dgamma = (dy * xhat).sum()"},
    "sum over the features": {0: "dgamma = (dy * xhat).sum(axis=1)"},
    "xhat forgotten": {0: "dgamma = dy.sum(axis=0)"},
    "sign of the road": {1: "g = gamma * dy\ndx = s * (g + xhat * (g * xhat).mean(axis=1, keepdims=True))"},
    "x for xhat in dx": {1: "g = gamma * dy\ndx = s * (g - x * (g * x).mean(axis=1, keepdims=True))"},
    "sign": {1: "g = gamma * dy\ndx = -s * (g - xhat * (g * xhat).mean(axis=1, keepdims=True))"},
    "keepdims forgotten": {1: "g = gamma * dy\ndx = s * (g - xhat * (g * xhat).mean(axis=1))"},
}
MESSAGES = {
    "layer norm's formula": ["dx must be", "the road through the mean is closed"],
    "s constant": ["the direct road alone"],
    "gamma outside the mean": ["gamma must stay inside the mean"],
    "gamma forgotten": ["gamma is missing"],
    "sum for mean": ["v is a mean over the features"],
    "mean over the rows": ["the mean is taken over the rows (axis 0)"],
    "mean over everything": ["a mean over all entries is taken"],
    "s forgotten": ["the factor s is missing"],
    "mean for dgamma": ["dgamma must be", "not their mean"],
    "x for xhat": ["gamma multiplies xhat, not x"],
    "gamma in dgamma": ["gamma itself is no factor"],
    "no sum": ["the rows must be added up, with .sum(axis=0)"],
    "sum of everything": ["each feature has its own gamma"],
    "sum over the features": ["the sum is over the rows: axis=0"],
    "xhat forgotten": ["xhat is missing"],
    "sign of the road": ["the road through v is subtracted"],
    "x for xhat in dx": ["is made of xhat, not of x"],
    "sign": ["the sign is wrong"],
    "keepdims forgotten": ["cannot combine arrays of these shapes"],
}
