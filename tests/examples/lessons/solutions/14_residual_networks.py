SOLUTION = ["da = dy * (a > 0)", "dW2 = h.T @ da", "dh = da @ W2.T", "dW1 = x.T @ dh", "dx = da + dh @ W1.T"]
MISTAKES = {
    "no shortcut": {4: "dx = dh @ W1.T"},
    "no body": {4: "dx = da"},
    "dy around the body": {4: "dx = dy + dh @ W1.T"},
    "averaged": {4: "dx = (da + dh @ W1.T) / 2"},
    "last relu forgotten": {0: "da = dy"},
    "dy changed": {0: "da = dy\nda *= a > 0"},
    "relu of y instead of its slope": {0: "da = dy * np.maximum(a, 0)"},
}
MESSAGES = {
    "no shortcut": ["dx must be", "the way around the body is missing"],
    "no body": ["the way through the body is missing"],
    "dy around the body": ["the shortcut is added before the relu"],
    "averaged": ["the two ways add"],
    "last relu forgotten": ["the relu after the sum is forgotten"],
    "dy changed": ["in backward:  da *= a > 0", "changes an array that came in or was kept"],
    "relu of y instead of its slope": ["the slope of relu is 1 or 0"],
}
