"""scikit-learn's MLPRegressor: an epoch of an autoencoder, with shuffling."""

from __future__ import annotations

from sklearn.neural_network import MLPRegressor

from benchmarks.suite.task import ROWS, Built, Task, table_of


def epoch(task: Task) -> Built:
    hidden = [layer["out"][0] for layer in task.plan[:-1]]
    options = {"activation": "relu", "solver": "adam", "alpha": 0, "epsilon": 1e-7, "shuffle": True, "random_state": 0}
    model = MLPRegressor(hidden_layer_sizes=hidden, batch_size=task.batch, learning_rate_init=task.rate, **options)
    x = table_of(task)

    def step() -> float:
        model.partial_fit(x, x)
        return float(model.loss_)

    model.partial_fit(x[: task.batch], x[: task.batch])
    parameters = sum(array.size for array in (*model.coefs_, *model.intercepts_))
    return Built(step, parameters, ROWS)
