SOLUTION = ["dx = dy * (1 - self.y**2)", "for link in reversed(self.links):\n    dy = link.backward(dy)"]
MISTAKES = {
    "dy forgotten": {0: "dx = 1 - self.y**2"},
    "y not squared": {0: "dx = dy * (1 - self.y)"},
    "not reversed": {1: "for link in self.links:\n    dy = link.backward(dy)"},
    "not handed on": {1: "dx = dy\nfor link in reversed(self.links):\n    dx = link.backward(dy)\ndy = dx"},
    "result thrown away": {1: "for link in reversed(self.links):\n    link.backward(dy)"},
}
MESSAGES = {
    "dy forgotten": ["must be multiplied by dy"],
    "y not squared": ["the slope of tanh is 1 - y^2"],
    "not reversed": ["from the last to the first", "[1, 2, 3]"],
    "not handed on": ["dy = link.backward(dy)"],
    "result thrown away": ["return what the last call of backward returned"],
}
