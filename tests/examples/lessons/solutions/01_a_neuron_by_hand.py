SOLUTION = ["da = dy * y * (1 - y)", "dx = da * w", "dw = da * x", "db = da"]
MISTAKES = {
    "sigmoid forgotten": {0: "da = dy"},
    "x and w swapped": {1: "dx = da * x", 2: "dw = da * w"},
    "da forgotten": {3: "db = 1.0"},
    "dy forgotten": {0: "da = y * (1 - y)"},
    "half of the slope": {0: "da = dy * (1 - y)"},
}
MESSAGES = {
    "sigmoid forgotten": ["Likely cause: da must be dy times the slope of the sigmoid, y (1 - y)"],
    "x and w swapped": ["dx must be", "x[i] enters with factor w[i], and w[i] with factor x[i]"],
    "da forgotten": ["db must be", "da is missing"],
    "dy forgotten": ["da must be multiplied by dy"],
    "half of the slope": ["y (1 - y), with both factors"],
}
