"""ONNX Runtime: predictions of the network that PyTorch exports."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import onnxruntime

from benchmarks.suite.task import Built, Task, labelled, over

EXPORT = """
import json, sys
from benchmarks.suite.libraries import pytorch
from benchmarks.suite.task import Task
pytorch.export(Task(**json.loads(sys.stdin.read())), sys.argv[1])
"""


def infer(task: Task) -> Built:
    import numpy as np

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        done = subprocess.run(  # in a process of its own, so that PyTorch's memory is not counted
            [sys.executable, "-c", EXPORT, str(path)],
            input=json.dumps(task._asdict()), text=True, capture_output=True,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"PyTorch's export: {done.stderr.strip().splitlines()[-1]}")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = task.threads
        options.add_session_config_entry("session.intra_op.allow_spinning", "1")
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def step(x: object) -> float:
        return float(session.run(None, {"x": x})[0][0, 0])

    batches = [(np.ascontiguousarray(x.transpose(0, 3, 1, 2)),) for x, _ in labelled(task)]
    return Built(over(step, batches), 0, task.batch)
