SOLUTION = ["da = dy * (1 - y**2)", "self.dW = x.T @ da", "self.db = da.sum(axis=0)", "dx = da @ W.T"]
MISTAKES = {
    "tanh forgotten": {0: "da = dy"},
    "mean in db": {2: "self.db = da.mean(axis=0)"},
    "wrong axis in db": {2: "self.db = da.sum(axis=1)"},
    "transposed dW": {1: "self.dW = da.T @ x"},
    "x not transposed": {1: "self.dW = x @ da"},
    "divided by n": {1: "self.dW = x.T @ da / len(x)"},
    "W not transposed": {3: "dx = da @ W"},
}
MESSAGES = {
    "tanh forgotten": ["da must be dy times the slope of tanh"],
    "mean in db": ["db must be", "not a mean"],
    "wrong axis in db": ["axis=0"],
    "transposed dW": ["dW must be", "transpose of dW"],
    "x not transposed": ["x.T is missing"],
    "divided by n": ["must not be divided by n"],
    "W not transposed": ["dx must be", "W must be transposed"],
}
