SOLUTION = [
    "dbeta = dy.sum(axis=0)",
    "dgamma = (dy * xhat).sum(axis=0)",
    "dx = s * (g - g.mean(axis=0) - xhat * (g * xhat).mean(axis=0))",
]
MISTAKES = {
    "variance constant": {2: "dx = s * (g - g.mean(axis=0))"},
    "mean constant": {2: "dx = s * (g - xhat * (g * xhat).mean(axis=0))"},
    "both constant": {2: "dx = s * g"},
    "sums for means": {2: "dx = s * (g - g.sum(axis=0) - xhat * (g * xhat).sum(axis=0))"},
    "gamma forgotten": {2: "dx = s * (dy - dy.mean(axis=0) - xhat * (dy * xhat).mean(axis=0))"},
    "mean over everything": {2: "dx = s * (g - g.mean() - xhat * (g * xhat).mean())"},
    "s forgotten": {2: "dx = g - g.mean(axis=0) - xhat * (g * xhat).mean(axis=0)"},
    "x for xhat": {1: "dgamma = (dy * x).sum(axis=0)"},
    "gamma in dgamma": {1: "dgamma = (gamma * dy * xhat).sum(axis=0)"},
    "gamma in dbeta": {0: "dbeta = (gamma * dy).sum(axis=0)"},
    "mean for dbeta": {0: "dbeta = dy.mean(axis=0)"},
}
MESSAGES = {
    "variance constant": ["dx must be", "the road through the variance is missing"],
    "mean constant": ["the road through the mean is missing"],
    "both constant": ["the direct road alone"],
    "sums for means": ["use the mean of g, not its sum"],
    "gamma forgotten": ["gamma is missing"],
    "mean over everything": ["each feature has means of its own"],
    "s forgotten": ["the factor s is missing"],
    "x for xhat": ["dgamma must be", "gamma multiplies xhat, not x"],
    "gamma in dgamma": ["gamma itself is no factor"],
    "gamma in dbeta": ["dbeta must be", "gamma is no factor"],
    "mean for dbeta": ["this is a mean over the rows"],
}
