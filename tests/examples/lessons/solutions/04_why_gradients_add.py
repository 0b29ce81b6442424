SOLUTION = ["dh = dy @ W.T", "dW = h.T @ dy + x.T @ dh", "dx = dh @ W.T"]
MISTAKES = {
    "second place alone": {1: "dW = h.T @ dy"},
    "overwritten": {1: "dW = h.T @ dy\ndW = x.T @ dh"},
    "h skipped": {1: "dW = h.T @ dy + x.T @ dy"},
    "mean of the places": {1: "dW = (h.T @ dy + x.T @ dh) / 2"},
    "h skipped in dx": {2: "dx = dy @ W.T"},
    "W not transposed in dh": {0: "dh = dy @ W"},
    "order in dW": {1: "dW = dy @ h.T + dh @ x.T"},
    "W not transposed in dx": {2: "dx = dh @ W"},
}
MESSAGES = {
    "second place alone": ["only the gradient from y = h @ W is there"],
    "overwritten": ["W is used in both lines", "only the gradient from h = x @ W is there"],
    "h skipped": ["dW must be", "the first line gets dh"],
    "mean of the places": ["no mean is taken"],
    "h skipped in dx": ["dx must be", "the first line gets dh"],
    "W not transposed in dh": ["dh comes from y = h @ W, so W must be transposed"],
    "order in dW": ["x.T and h.T on the left"],
    "W not transposed in dx": ["dx must be", "W must be transposed"],
}
