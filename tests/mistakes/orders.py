"""Things in the wrong order or place: arguments, layers, and objects that belong to another model."""

from __future__ import annotations

from .mistake import Mistake

HUB = "https://github.com/"

ORDERS = [
    Mistake(
        "layers as arguments", "Model(Dense(3), Dense(3))",
        TypeError, "Model: input_shape", "a number or a tuple", "got a Dense layer", "put the layers into a list",
    ),
    Mistake(
        "loss and optimizer exchanged", "new.compile(MeanSquaredError(), Adam())",
        TypeError, "compile: optimizer", "a tinydl Optimizer", r"got MeanSquaredError\(\)",
        r"the order is compile\(optimizer, loss\)", HUB + "mike-holcomb/PSOkeras/issues/3",
    ),
    Mistake(
        "the loss as optimizer", "new.compile('mse', 'mse')",
        ValueError, "compile: optimizer", "one of 'sgd'", "got 'mse'", "pass one of these",
        HUB + "mike-holcomb/PSOkeras/issues/4",
    ),
    Mistake(
        "metrics inside the optimizer", "new.compile(SGD(momentum=0.5, metrics=['accuracy']), 'mse')",
        TypeError, "SGD", "the arguments are learning_rate, momentum", "got 'metrics'", "remove it",
        HUB + "sagar448/Keras-Convolutional-Neural-Network-Python/issues/1",
    ),
    Mistake(
        "metrics for fit", "classifier.fit(x, labels, metrics=['accuracy'])",
        TypeError, "fit", "the arguments are x, y", "got 'metrics'", "give them to compile",
        HUB + "tensorflow/tensorflow/issues/19913",
    ),
    Mistake(
        "a metric as loss", "new.compile('adam', 'accuracy')",
        ValueError, "compile: loss", "one of 'mean_squared_error'", "got 'accuracy'", r"metrics=\['accuracy'\]",
    ),
    Mistake(
        "a new run over the file of an old one",
        "new.compile('sgd', 'mse'); new.save_checkpoint('run'); new.fit(x, x[:, :3], callbacks=[Checkpoint('run')], verbose=0)",
        UserWarning, "Checkpoint: path", "a new file in a new run", "got run, which exists and will be replaced",
        "pass resume=path to continue that run",
    ),
    Mistake(
        "resume and the epoch", "classifier.fit(x, labels, initial_epoch=3, resume='run')",
        ValueError, "fit: initial_epoch", "left out beside resume", "got both resume and initial_epoch=3", "the file knows its epoch",
    ),
    Mistake(
        "resume as a flag", "classifier.fit(x, labels, resume=True)",
        TypeError, "fit: resume", "a path or None", "got True", "pass the path of a Checkpoint",
    ),
    Mistake(
        "resume from a saved model", "classifier.save('model'); classifier.fit(x, labels, resume='model')",
        ValueError, "model", "expected a checkpoint", "got a saved model without training state", "use Model.load",
    ),
    Mistake(
        "batch size and epochs by position", "classifier.fit(x, labels, 32, 10)",
        TypeError, "fit", "only x, y may be given without a keyword", "got 4 values", "write batch_size=",
    ),
    Mistake(
        "x and y as one tuple", "classifier.fit((x, labels), verbose=0)",
        ValueError, "fit: x", "a plain array", r"got a tuple: its entries have the shapes \(12, 4\) and \(12,\)", "pass x and y apart",
    ),
    Mistake(
        "x and y exchanged", "classifier.fit(labels, x, verbose=0)",
        ValueError, "fit: x", r"of shape \(n, 4\)", r"got \(12,\)", "an axis of rows and one of columns",
    ),
    Mistake(
        "a loss's arguments exchanged", "SoftmaxCrossEntropy().forward(labels, one_hot)",
        ValueError, "SoftmaxCrossEntropy: logits", r"shape \(n, classes\)", r"got \(12,\)", r"forward\(y_pred, y_true\)",
    ),
    Mistake(
        "parameters for the optimizer", "Adam(classifier.params, 0.01)",
        TypeError, "Adam: learning_rate", "a number or a schedule", r"got \{'dense_1\.W'", "compile hands the parameters",
    ),
    Mistake(
        "validation data as a dict", "classifier.fit(x, labels, validation_data={'x': x, 'y': labels}, verbose=0)",
        ValueError, "fit: validation_data", r"\(x, y\)", "got a dict", r"pass validation_data=\(x, y\)",
    ),
    Mistake(
        "validation inputs alone", "classifier.fit(x, labels, validation_data=x, verbose=0)",
        ValueError, "fit: validation_data", r"\(x, y\)", "got a ndarray", r"pass validation_data=\(x, y\)",
    ),
    Mistake(
        "a split of a generator", "classifier.fit(((x, labels) for _ in range(3)), validation_split=0.2, verbose=0)",
        ValueError, "fit: validation_split", "arrays x and y", "got a generator", "pass validation_data",
        HUB + "tensorflow/tensorflow/issues/38613",
    ),
    Mistake(
        "targets beside a generator", "classifier.fit(((x, labels) for _ in range(3)), labels, verbose=0)",
        ValueError, "fit: y", "must be left out", "x is a generator", r"yield \(x, y\)",
    ),
    Mistake(
        "a generator that ends", "classifier.evaluate(((x, labels) for _ in range(3)), steps=5)",
        ValueError, "evaluate: the generator", "5 batches an epoch", "got 3 and its end", r"make it endless \(while True\)",
        HUB + "zxq2233/n2n-watermark-remove/issues/10",
    ),
    Mistake(
        "a generator for several epochs", "classifier.fit(((x, labels) for _ in range(3)), epochs=3, verbose=0)",
        ValueError, "fit: x", "starts anew for each of 3 passes", "got a generator", "pass steps_per_epoch",
        HUB + "keras-team/keras-io/issues/285",
    ),
    Mistake(
        "a generator that is used up", "g = iter([])\nclassifier.fit(g, verbose=0)",
        ValueError, "fit", "batch", "empty or used up", "make a new one for each call",
    ),
    Mistake(
        "a batch with one part too many", "classifier.fit(((x, labels, None, 2) for _ in range(3)), verbose=0)",
        TypeError, "fit: batch 1 of the generator", r"x, \(x, y\) or \(x, y, sample_weight\)", "got a tuple of 4", r"yield a tuple \(x, y\)",
    ),
    Mistake(
        "the softmax twice", "m = Model([Dense(3), Softmax()], 4)\nm.compile('adam', SoftmaxCrossEntropy())",
        ValueError, "compile", "SoftmaxCrossEntropy takes logits", r"the model ends in softmax_1 \(Softmax\)",
        "remove that layer's softmax", HUB + "nfmcclure/tensorflow_cookbook/issues/86",
    ),
    Mistake(
        "the sigmoid twice", "m = Model([Dense(1, 'sigmoid')], 4)\nm.compile('adam', BinaryCrossEntropy())",
        ValueError, "compile", "BinaryCrossEntropy takes logits", r"the model ends in dense_1 \(Dense\)", "remove that layer's sigmoid",
    ),
    Mistake(
        "a softmax over one unit", "m = Model([Dense(1), Softmax()], 4)\nm.compile('sgd', 'mse')",
        ValueError, "compile: a softmax", "2 units or more", "got 1", r"use Dense\(1\) and BinaryCrossEntropy\(\)",
        HUB + "keras-team/keras/issues/126",
    ),
    Mistake(
        "one unit for SoftmaxCrossEntropy", "m = Model([Dense(1)], 4)\nm.compile('sgd', SoftmaxCrossEntropy())",
        ValueError, "compile: a softmax", "2 units or more", "got 1", r"use Dense\(1\) and BinaryCrossEntropy\(\)",
        HUB + "zzh8829/yolov3-tf2/issues/386",
    ),
    Mistake(
        "relu before the loss", "m = Model([Dense(3, 'relu')], 4)\nm.compile('adam', 'categorical_crossentropy')",
        ValueError, "compile: categorical_crossentropy", "probabilities of a softmax", r"got relu of dense_1 \(Dense\)",
        "end the network in softmax",
    ),
    Mistake(
        "sigmoids for one class of several",
        "m = Model([Dense(3, 'sigmoid')], 4)\nm.compile('adam', 'sparse_categorical_crossentropy')",
        ValueError, "compile: sparse_categorical_crossentropy", "probabilities of a softmax", "got sigmoid of dense_1",
        "end the network in softmax", HUB + "keras-team/keras/issues/7303",
    ),
    Mistake(
        "a layer in two models", "Model([classifier.layers[0], Dense(3)], 4)",
        ValueError, "Model: a layer", "must be new", r"got dense_1 \(Dense\), which already belongs to a model", "give each model its own layers",
    ),
    Mistake(
        "a model in a model", "Model([classifier, Dense(3)], 4)",
        TypeError, "Model", "Layer objects", "got Model", "write one list with the layers of both",
        HUB + "keras-team/keras/issues/13773",
    ),
    Mistake(
        "an optimizer in two models",
        "o = Adam()\nm = Model([Dense(3)], 4)\nm.compile(o, SoftmaxCrossEntropy())\nm.fit(x, labels, verbose=0)\n"
        "new.compile(o, SoftmaxCrossEntropy())",
        ValueError, "compile: optimizer", "must be new", "got Adam after 1 steps on another model", "give each model its own optimizer",
        HUB + "mrosol/Nonlincausality/pull/12",
    ),
    Mistake(
        "two layers of one name", "Model([Dense(3, name='out'), Dense(3, name='out')], 4)",
        ValueError, "Model: the names of its layers", "must differ", "got 'out' 2 times", "rename one",
        HUB + "ageron/handson-ml2/issues/143",
    ),
    Mistake(
        "a chain in place of the name", "Branches([Dense(3)], [Dense(3)])",
        TypeError, "Branches", "only branches may be given without a keyword", "got 2 values", "write name=",
    ),
    Mistake(
        "weights of other layers", "classifier.save('m')\nbinary.load_weights('m')",
        ValueError, "m", "this model's layers", "got {'layer': 'Dense'", r"use Model\.load\(path\)",
        HUB + "keras-team/keras/issues/14206",
    ),
    Mistake(
        "a model as a checkpoint", "classifier.save('m')\nclassifier.load_checkpoint('m')",
        ValueError, "m", "a checkpoint", "got a saved model without training state", r"use Model\.load",
    ),
    Mistake(
        "backward before forward", "Dense(3).backward(x)",
        RuntimeError, "Dense", "backward needs a forward pass", "got none yet", r"call forward\(x\) first",
    ),
    Mistake(
        "a loss's backward before its forward", "SoftmaxCrossEntropy().backward()",
        RuntimeError, "SoftmaxCrossEntropy", "backward needs a forward pass", "got none yet", r"call forward\(y_pred, y_true\) first",
    ),
]  # fmt: skip
