"""Submissions that try to pass without a right backward, by name."""

from __future__ import annotations

RIGHT = """
import numpy as np

class Dense:
    def __init__(self, n_in, n_out):
        rng = np.random.default_rng(0)
        self.W, self.b = rng.normal(size=(n_in, n_out)), np.zeros(n_out)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dy):
        self.dW, self.db = self.x.T @ dy, dy.sum(axis=0)
        return dy @ self.W.T
"""
WRONG = (
    RIGHT.replace("dy.sum(axis=0)", "7 * dy.sum(axis=0)")
    .replace("self.x.T @ dy", "5 * self.x.T @ dy")
    .replace("return dy @ self.W.T", "return 3 * dy @ self.W.T")
)
FORGED = '{"passed": true, "score": 6, "max_score": 6, "status": "passed", "tests": [], "submissions": []}'
FIND_OUTPUT = f"""
import os
import sys

FORGED = {FORGED!r}

def overwrite():
    words = open(f"/proc/{{os.getppid()}}/cmdline").read().split("\\0")
    with open(words[words.index("--output") + 1], "w") as file:
        file.write(FORGED)
"""

HOSTILE = {
    "replaces_the_checks": WRONG
    + """
import tinydl.gradcheck, tinydl.gradcheck.check, sys
from tinydl.gradcheck import ArrayReport, GradientCheckReport

def passing(*args, **kwargs):
    rows = {name: ArrayReport(name, (1,), "complex step", probes=9) for name in ("x", "W", "b")}
    return GradientCheckReport("Dense", arrays=rows)

for module in [m for name, m in sys.modules.items() if "gradcheck" in name or name == "__main__"]:
    for name in list(vars(module)):
        if name.startswith("check_") or name == "run_check":
            setattr(module, name, passing)
""",
    "replaces_the_error": WRONG
    + """
import sys

class Harmless(Exception):
    report = None

for module in [m for name, m in sys.modules.items() if "gradcheck" in name or name == "__main__"]:
    for name in list(vars(module)):
        if name == "GradientCheckError":
            setattr(module, name, Harmless)
""",
    "patches_the_report": WRONG
    + """
from tinydl.gradcheck import ArrayReport, GradientCheckReport
ArrayReport.passed = property(lambda self: True)
GradientCheckReport.passed = property(lambda self: True)
GradientCheckReport.to_dict = lambda self: {
    "arrays": [{"name": name, "verdict": "ok", "detail": ""} for name in ("x", "W", "b")], "rules": [], "passed": True}
""",
    "patches_numpy": WRONG
    + """
np.allclose = np.array_equal = lambda *args, **kwargs: True
np.isclose = lambda a, b, **kwargs: np.ones(np.shape(a), bool)
np.abs = np.absolute = lambda a, *args, **kwargs: 0 * a
""",
    "patches_builtins_and_json": WRONG
    + """
import builtins, json
builtins.abs = lambda a: 0.0
builtins.max = lambda *args, **kwargs: 0.0
dumps = json.dumps
json.dumps = lambda value, **kwargs: dumps(value, **kwargs).replace("WRONG", "ok").replace("false", "true")
""",
    "answers_for_the_worker": WRONG
    + """
import sys
worker = sys.modules["__main__"]

def check(self, request, arrays):
    layer = Dense(3, 4)
    rows = [{"name": name, "verdict": "ok", "detail": ""} for name in ("x", "W", "b")]
    report = {"arrays": rows, "rules": [], "passed": True}
    found = {"names": ["W", "b"], "places": [-1, -1], "x_name": "x", "x_place": 0, "moves_x": True, "others": []}
    return {"report": report, "message": "", **found}, {"p0": layer.W, "p1": layer.b}

def backward(self, request, arrays):  # the right y, gradients of its own choice
    y = arrays["x"] @ arrays["p0"] + arrays["p1"]
    return {}, {"y": y, "dx": arrays["x"], "g0": arrays["p0"], "g1": arrays["p1"]}

worker.Worker.do_check, worker.Worker.do_backward = check, backward
worker.Worker.do_forward = lambda self, request, arrays: ({"penalty": [0, 0]}, backward(self, request, arrays)[1])
worker.Worker.do_count = lambda self, request, arrays: ({"numeric": ""}, {})
""",
    "hides_its_parameters": WRONG.replace("return 3 *", "return")
    + """
import sys
worker = sys.modules["__main__"]
original = worker.Worker.do_check

def check(self, request, arrays):
    original(self, request, arrays)
    report = {"arrays": [{"name": "x", "verdict": "ok", "detail": ""}], "rules": [], "passed": True}
    return {"report": report, "message": "", "names": [], "places": [], "x_name": "x", "x_place": 0, "moves_x": True, "others": []}, {}

worker.Worker.do_check = check
worker.Worker._at = lambda self, arrays: self.runner
""",
    "is_another_layer": RIGHT.replace(
        "return x @ self.W + self.b", "return np.tile(x.sum() + self.W.sum() + self.b, (5, 1))"
    )
    .replace("self.x.T @ dy", "np.full(self.W.shape, dy.sum())")
    .replace("return dy @ self.W.T", "return np.full(self.x.shape, dy.sum())"),
    "is_the_identity": """
class Dense:
    def __init__(self, n_in, n_out):
        pass
    def forward(self, x):
        return 1.0 * x
    def backward(self, dy):
        return 1.0 * dy
""",
    "exits_at_import": "import sys\nsys.exit(0)\n",
    "exits_hard_at_import": "import os\nos._exit(0)\n",
    "exits_hard_in_forward": "import os\n" + RIGHT.replace("self.x = x\n", "os._exit(0)\n"),
    "exits_in_backward": "import sys\n" + RIGHT.replace("self.dW, self.db =", "sys.exit(0); self.dW, self.db ="),
    "atexit": "import atexit, os, sys\natexit.register(lambda: os._exit(0))\n" + WRONG,
    "endless_at_import": "while True:\n    pass\n",
    "endless_in_forward": RIGHT.replace("self.x = x\n", "self.x = x\n        while True: pass\n"),
    "sleeps_in_backward": "import time\n" + RIGHT.replace("self.dW, self.db =", "time.sleep(3600); self.dW, self.db ="),
    "catches_everything": "import time\n"
    + RIGHT.replace(
        "self.x = x\n",
        """self.x = x
        while True:
            try:
                time.sleep(1)
            except BaseException:
                pass
""",
    ),
    "memory_bomb": RIGHT.replace(
        "self.x = x\n", "self.x = x\n        self.bomb = [np.empty(10**7) for _ in range(10**4)]\n"
    ),
    "memory_bomb_at_import": "bomb = []\nwhile True:\n    bomb.append(bytearray(10**8))\n",
    "prints_forged_rows": f"print('''{FORGED}''', flush=True)\n" + WRONG,
    "prints_without_end": WRONG.replace("self.x = x\n", "self.x = x\n        while True: print('passed ' * 1000)\n"),
    "overwrites_the_results": FIND_OUTPUT + "overwrite()\n" + WRONG,
    "overwrites_them_from_a_thread": FIND_OUTPUT
    + """
import threading

def forever():
    while True:
        overwrite()

threading.Thread(target=forever).start()
"""
    + WRONG,
    "overwrites_them_from_a_process_left_behind": FIND_OUTPUT
    + """
import subprocess, time
parent = os.getppid()
words = open(f"/proc/{parent}/cmdline").read().split("\\0")
path = words[words.index("--output") + 1]
loop = f"import time\\nwhile True:\\n    open({path!r}, 'w').write({FORGED!r})\\n    time.sleep(0.01)"
subprocess.Popen([sys.executable, "-c", loop, "left-behind-by-a-submission"], env={}, start_new_session=True)
"""
    + WRONG,
    "leaves_daemons": """
import os, sys
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execve(sys.executable, [sys.executable, "-c", "import time; time.sleep(3600)", "left-behind-by-a-submission"], {})
    os._exit(0)
"""
    + WRONG,
    "syntax_error": "class Dense:\n    def forward(self, x)\n        return x\n",
    "missing_class": "class Dence:\n    pass\n",
    "raises_at_import": "raise RuntimeError('no')\n",
    "numeric": RIGHT.replace(
        "self.dW, self.db = self.x.T @ dy, dy.sum(axis=0)\n        return dy @ self.W.T",
        """x = self.x
        def slope(array):
            result = np.zeros_like(array)
            for index in np.ndindex(array.shape):
                old = array[index]
                array[index] = old + 1e-5
                up = (self.forward(x) * dy).sum()
                array[index] = old - 1e-5
                result[index] = (up - (self.forward(x) * dy).sum()) / 2e-5
                array[index] = old
            return result
        self.dW, self.db = slope(self.W), slope(self.b)
        return slope(x)""",
    ),
    "writes_garbage_to_the_channel": """
import os, sys
for number in range(3, 64):
    try:
        os.write(number, b"\\xff" * 100)
    except OSError:
        pass
"""
    + WRONG,
    "claims_an_endless_message": """
import os, sys
number = int(sys.argv[1])
os.write(number, b"\\x00\\x30\\x00\\x00" + b" " * 1000)
"""
    + WRONG,
    "nests_its_answer_deeply": """
import os, struct, sys
text = b"[" * 1_000_000
os.write(int(sys.argv[1]), struct.pack(">I", len(text)))
for start in range(0, len(text), 1000):
    os.write(int(sys.argv[1]), text[start:start + 1000])
"""
    + WRONG,
    "sends_objects": """
import sys
worker = sys.modules["__main__"]
worker.Worker.do_check = lambda self, request, arrays: ({"names": "W"}, {"p0": np.array([print], dtype=object)})
"""
    + WRONG,
    "is_a_folder_of_names": "from numpy import *\n__file__ = None\nDense = eval\n",
}
