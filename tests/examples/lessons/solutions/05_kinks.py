SOLUTION = ["da = np.where(a >= b, dy, 0)", "db = np.where(a >= b, 0, dy)"]
MISTAKES = {
    "tie counted twice": {1: "db = np.where(b >= a, dy, 0)"},
    "tie lost": {0: "da = np.where(a > b, dy, 0)"},
    "smaller number": {0: "da = dy * (a < b)", 1: "db = dy * (b < a)"},
    "dy changed": {0: "da = dy\nda[a < b] = 0"},
    "dy forgotten": {0: "da = a >= b"},
}
MESSAGES = {
    "tie counted twice": ["db must be", "in the tie, dy is counted twice"],
    "tie lost": ["in the tie", "a should, by the rule"],
    "smaller number": ["here the smaller one does"],
    "dy changed": ["dy was changed", "make a new array"],
    "dy forgotten": ["must be multiplied by dy"],
}
