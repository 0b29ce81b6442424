SOLUTION = [
    "dgamma = (dy * xhat).sum(axis=0)",
    """
    g = gamma * dy
    dx = s * (g - xhat * (g * xhat).mean(axis=1, keepdims=True))
    """,
]
MISTAKES = {
    "layer norm's formula": {
        1: """
        g = gamma * dy
        dx = s * (g - g.mean(axis=1, keepdims=True) - xhat * (g * xhat).mean(axis=1, keepdims=True))
        """
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
}
