SOLUTION = [
    "s = z - z.max(axis=1, keepdims=True)",
    "log_p = s - np.log(np.exp(s).sum(axis=1, keepdims=True))",
    "loss = -np.sum(y * log_p) / len(z)",
    "dz = (np.exp(log_p) - y) / len(z)",
]
MISTAKES = {
    "overflow": {0: "s = z"},
    "logarithm of p": {1: "p = np.exp(s) / np.exp(s).sum(axis=1, keepdims=True)\nlog_p = np.log(p)"},
    "wrong axis": {1: "log_p = s - np.log(np.exp(s).sum(axis=0))"},
    "wrong axis, not shifted": {0: "s = z", 1: "log_p = s - np.log(np.exp(s).sum(axis=0))"},
    "sum of the rows": {2: "loss = -np.sum(y * log_p)"},
    "mean of the entries": {2: "loss = -np.mean(y * log_p)"},
    "gradient of the sum": {3: "dz = np.exp(log_p) - y"},
    "y forgotten": {3: "dz = np.exp(log_p) / len(z)"},
    "wrong sign": {3: "dz = (y - np.exp(log_p)) / len(z)"},
    "largest of all rows": {0: "s = z - z.max()"},
    "log_p for p": {3: "dz = (log_p - y) / len(z)"},
    "exp(s) for p": {3: "dz = (np.exp(s) - y) / len(z)"},
}
MESSAGES = {
    "overflow": ["loss of scores of 1000 must be", "exp of a large score is inf", "use s, not z, in exp"],
    "logarithm of p": ["loss of scores of 1000 must be", "do not take the logarithm of p"],
    "wrong axis": ["loss must be", "sum over axis=1"],
    "wrong axis, not shifted": ["loss must be", "sum over axis=1"],
    "sum of the rows": ["the mean over its rows, not the sum"],
    "mean of the entries": ["not over all n * classes entries"],
    "gradient of the sum": ["dz must be", "so it divides its gradient, too"],
    "y forgotten": ["subtract y"],
    "wrong sign": ["dz must be", "its gradient is negative"],
    "largest of all rows": ["subtract the largest score of each row"],
    "log_p for p": ["exp undoes it"],
    "exp(s) for p": ["exp(s) does not add up to 1"],
}
