SOLUTION = ["patch = row.reshape(2, 3)", "dx[i : i + 2, 2 * j : 2 * j + 3] += patch"]
MISTAKES = {
    "= for +=": {1: "dx[i : i + 2, 2 * j : 2 * j + 3] = patch"},
    "averaged, as if col2im were the inverse": {
        1: "\n        dx[i : i + 2, 2 * j : 2 * j + 3] += patch\n        if (i, j) == places(x)[-1]:\n            copies = np.zeros_like(dx)\n            for a, b in places(x):\n                copies[a : a + 2, 2 * b : 2 * b + 3] += 1\n            dx /= copies\n        "
    },
    "patch read by columns": {0: "patch = row.reshape(3, 2).T"},
    "stride forgotten": {1: "dx[i : i + 2, j : j + 3] += patch"},
    "place forgotten": {1: "dx[:2, :3] += patch"},
    "height and width swapped": {0: "patch = row.reshape(3, 2)"},
    "stride used for the rows": {1: "dx[2 * i : 2 * i + 2, 2 * j : 2 * j + 3] += patch"},
    "not reshaped": {0: "patch = row"},
    "nothing added": {1: "dx[i : i + 2, 2 * j : 2 * j + 3] + patch"},
    "x changed": {1: "x[i : i + 2, 2 * j : 2 * j + 3] += patch"},
}
MESSAGES = {
    "= for +=": ["patches overlap", "add with +="],
    "averaged, as if col2im were the inverse": ["the shared column is averaged"],
    "patch read by columns": ["a patch has 2 rows and 3 columns, in reading order"],
    "stride forgotten": ["the patches are 2 columns apart"],
    "place forgotten": ["every patch is added to the corner"],
    "height and width swapped": ["ValueError", "(2,3)", "(3,2)"],
    "stride used for the rows": ["operands could not be broadcast"],
    "not reshaped": ["in col2im:  dx[i : i + 2, 2 * j : 2 * j + 3] += patch", "shapes: dx (2, 5), patch (6,)"],
    "nothing added": ["nothing arrives here"],
    "x changed": ["changes an array that came in"],
}
