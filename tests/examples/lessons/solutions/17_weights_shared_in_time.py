SOLUTION = [
    "total = own + later",
    "da = total * (1 - h_t ** 2)",
    "dWh = dWh + h_before.T @ da",
    "later = da @ Wh.T",
]
MISTAKES = {
    "later forgotten": {0: "total = own"},
    "only the last state": {0: "total = later if t < STEPS else own"},
    "no slope": {1: "da = total"},
    "slope of the old state": {1: "da = total * (1 - h_before ** 2)"},
    "new state in dWh": {2: "dWh = dWh + h_t.T @ da"},
    "last share only": {2: "dWh = h_before.T @ da"},
    "Wh for Wh.T": {3: "later = da @ Wh"},
}
MESSAGES = {
    "later forgotten": ["dWh must be", "later is missing"],
    "only the last state": ["the loss looks at every state"],
    "no slope": ["the slope of tanh is missing"],
    "slope of the old state": ["it belongs to h_t"],
    "new state in dWh": ["the state before the step"],
    "last share only": ["every step adds its share"],
    "Wh for Wh.T": ["da is multiplied by Wh.T"],
}
