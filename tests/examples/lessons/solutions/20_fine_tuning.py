SOLUTION = [
    "lowest = list(learns).index(1)",
    """
    if learns[k]:
        dWs[k] = multiply(h[k].T, da)
    """,
    """
    if k > lowest:
        dh = multiply(da, Ws[k].T)
    """,
]
MISTAKES = {
    "down to the bottom": {0: "lowest = 0"},
    "one product too many": {2: "dh = multiply(da, Ws[k].T)"},
    "frozen layers compute dW": {1: "dWs[k] = multiply(h[k].T, da)"},
    "frozen layers block": {2: "if k > lowest and learns[k]:\n    dh = multiply(da, Ws[k].T)"},
    "ends at the highest": {0: "lowest = max(k for k in range(len(Ws)) if learns[k])"},
    "output for input": {1: "if learns[k]:\n    dWs[k] = multiply(h[k + 1].T, da)"},
    "without multiply": {1: "if learns[k]:\n    dWs[k] = h[k].T @ da", 2: "dh = da @ Ws[k].T"},
}
MESSAGES = {
    "down to the bottom": ["products needed: ", "below the lowest layer that learns"],
    "one product too many": ["products needed: ", "below the lowest layer that learns"],
    "frozen layers compute dW": ["must be None, got an array", "whether it learns or not"],
    "frozen layers block": ["dWs[1] is wrong", "it still passes the gradient on"],
    "ends at the highest": ["must be an array, got None", "the loop ends too early"],
    "output for input": ["dW is h_k.T times da"],
    "without multiply": ["use multiply(A, B) instead of A @ B"],
}
