SOLUTION = ["dx[2 * i + p, 2 * j + q] += dy[i, j]"]
MISTAKES = {
    "= for +=": {0: "dx[2 * i + p, 2 * j + q] = dy[i, j]"},
    "every pixel gets dy": {0: "dx[2 * i : 2 * i + 3, 2 * j : 2 * j + 3] += dy[i, j]"},
    "shared as by an average": {0: "dx[2 * i : 2 * i + 3, 2 * j : 2 * j + 3] += dy[i, j] / 9"},
    "rows and columns swapped": {0: "dx[2 * i + q, 2 * j + p] += dy[i, j]"},
    "corner of the window forgotten": {0: "dx[p, q] += dy[i, j]"},
    "dy forgotten": {0: "dx[2 * i + p, 2 * j + q] += 1"},
    "windows one pixel apart": {0: "dx[i + p, j + q] += dy[i, j]"},
    "windows three pixels apart": {0: "dx[3 * i + p, 3 * j + q] += dy[i, j]"},
    "value as a factor": {0: "dx[2 * i + p, 2 * j + q] += dy[i, j] * window[p, q]"},
    "value": {0: "dx[2 * i + p, 2 * j + q] += window[p, q]"},
    "x changed": {0: "window[p, q] = dy[i, j]"},
    "sign": {0: "dx[2 * i + p, 2 * j + q] -= dy[i, j]"},
}
MESSAGES = {
    "= for +=": ["overwrites the first", "add with +="],
    "every pixel gets dy": ["only the winner of a window receives its dy"],
    "shared as by an average": ["max pooling is not an average"],
    "rows and columns swapped": ["rows and columns are exchanged"],
    "corner of the window forgotten": ["p and q count from the corner of the window"],
    "dy forgotten": ["dy is missing"],
    "windows one pixel apart": ["so the corner of window (i, j) is pixel (2 i, 2 j)"],
    "windows three pixels apart": ["two pixels at a time, not three"],
    "value as a factor": ["its own value is no factor"],
    "value": ["and not its own value"],
    "x changed": ["in backward:  window[p, q] = dy[i, j]", "changes an array that came in"],
    "sign": ["the sign is wrong"],
}
