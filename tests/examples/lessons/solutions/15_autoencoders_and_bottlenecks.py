SOLUTION = [
    "decoder = dy.T @ h",
    "dh = dy @ W",
    "da = dh * (1 - h ** 2)",
    "encoder = x.T @ da",
    "dW = decoder + encoder",
    "dx = da @ W.T",
]
MISTAKES = {
    "decoder not transposed": {0: "decoder = h.T @ dy"},
    "no slope": {2: "da = dh"},
    "encoder only": {4: "dW = encoder"},
    "decoder only": {4: "dW = decoder"},
    "averaged": {4: "dW = (decoder + encoder) / 2"},
}
MESSAGES = {
    "decoder not transposed": ["the decoder's share must have W's shape", "this is the gradient of W.T"],
    "no slope": ["da must be", "dh is multiplied by the slope"],
    "encoder only": ["dW must be", "W also makes the output"],
    "decoder only": ["dW must be", "W also makes the code"],
    "averaged": ["its shares add; they are not averaged"],
}
