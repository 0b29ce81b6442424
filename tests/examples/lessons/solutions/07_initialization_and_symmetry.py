SOLUTION = ["std = np.sqrt(2 / inputs)", "W = rng.normal(0, std, (inputs, units))"]
MISTAKES = {
    "variance": {0: "std = 2 / inputs"},
    "units for inputs": {0: "std = np.sqrt(2 / units)"},
    "half forgotten": {0: "std = np.sqrt(1 / inputs)"},
    "Glorot": {0: "std = np.sqrt(2 / (inputs + units))"},
    "zeros": {1: "W = np.zeros((inputs, units))"},
    "one draw for all units": {1: "W = np.repeat(rng.normal(0, std, (inputs, 1)), units, axis=1)"},
    "another generator": {1: "W = np.random.default_rng(0).normal(0, std, (inputs, units))"},
    "transposed": {1: "W = rng.normal(0, std, (units, inputs))"},
    "the global generator": {1: "W = np.random.normal(0, std, (inputs, units))"},
    "not from -1 to 1": {1: "W = rng.random((inputs, units)) * std"},
}
MESSAGES = {
    "variance": ["the standard deviation is its square root"],
    "units for inputs": ["a neuron adds up `inputs` numbers, not `units`"],
    "half forgotten": ["relu sets half of the sums to 0"],
    "Glorot": ["Glorot's rule"],
    "zeros": ["all units have the same weights"],
    "one draw for all units": ["all units have the same weights"],
    "another generator": ["draw them from the rng"],
    "transposed": ["W must have shape (inputs, units)"],
    "the global generator": ["not from np.random"],
    "not from -1 to 1": ["the mean of W must be about 0"],
}
