SOLUTION = ["pixels = x[:, a : a + oh, b : b + ow]", "y = y + pixels @ W[a, b]"]
MISTAKES = {
    "= for +=": {1: "y = pixels @ W[a, b]"},
    "window for slice": {0: "pixels = x[:, a : a + kh, b : b + kw]"},
    "a and b exchanged": {0: "pixels = x[:, b : b + oh, a : a + ow]"},
    "flipped filter": {1: "y = y + pixels @ W[kh - 1 - a, kw - 1 - b]"},
    "no shift": {0: "pixels = x[:, :oh, :ow]"},
    "product of the first channel only": {1: "y = y + pixels[..., :1] * W[a, b, 0]"},
    "loop over positions": {
        1: """
        for i in range(oh):
            for j in range(ow):
                for m in range(n):
                    y[m, i, j] += x[m, i + a, j + b] @ W[a, b]
        """
    },
}
MESSAGES = {
    "= for +=": ["every entry adds its products to y"],
    "window for slice": ["the shapes do not fit", "oh x ow positions of y"],
    "a and b exchanged": ["a moves along the height"],
    "flipped filter": ["the filter is not turned around"],
    "no shift": ["the slice does not depend on a and b"],
    "product of the first channel only": ["the channels are summed by the matrix product"],
    "loop over positions": ["there is still a loop over"],
}
