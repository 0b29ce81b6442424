"""Forgotten calls, arguments, return statements and preparation of the data."""

from __future__ import annotations

from .mistake import Mistake

HUB = "https://github.com/"
OWN = """
class Mine(Layer):
    def forward(self, x, training=False):
        return 2 * x

    def backward(self, dy):
        return 2 * dy
"""
FIT = """
m = Model([Dense(3), Mine()], 4)
m.compile("adam", SoftmaxCrossEntropy())
m.fit(x, labels, verbose=0)
"""

FORGOTTEN = [
    Mistake(
        "compile before fit", "new.fit(x, one_hot)",
        RuntimeError, "fit: the model", "must be compiled", "got one without optimizer and loss", r"call compile\(optimizer, loss\) first",
        HUB + "tensorflow/tensorflow/issues/26515",
    ),
    Mistake(
        "compile before evaluate", "new.evaluate(x, one_hot)",
        RuntimeError, "evaluate: the model", "must be compiled", "got one without optimizer and loss", "call compile",
        HUB + "intel/ipex-llm/issues/7061",
    ),
    Mistake(
        "compile before train_on_batch", "new.train_on_batch(x, one_hot)",
        RuntimeError, "train_on_batch: the model", "must be compiled", "got one without", "call compile",
        HUB + "iNLyze/DeepLearning-SeGAN-Segmentation/issues/6",
    ),
    Mistake(
        "the loss", "new.compile(optimizer='adam')",
        TypeError, "compile: loss", "must be given", "got only optimizer", r"write compile\(optimizer=\.\.\., loss=",
        HUB + "keras-team/keras/issues/15420",
    ),
    Mistake(
        "all of compile's arguments", "new.compile()",
        TypeError, "compile: optimizer and loss", "must be given", "got no arguments", r"write compile\(",
        HUB + "tensorflow/tensorflow/issues/44942",
    ),
    Mistake(
        "a loss of None", "new.compile('adam', None)",
        TypeError, "compile: loss", "a tinydl Loss", "got None", r"pass MeanSquaredError\(\)",
    ),
    Mistake(
        "input_shape", "Model([Dense(3)])",
        TypeError, "Model: input_shape", "must be given", "got only layers", r"write Model\(layers=\.\.\., input_shape=",
    ),
    Mistake(
        "the layers", "Model([], 4)",
        ValueError, "Model", "at least one layer", "got none", r"write \[Dense\(10\), ",
    ),
    Mistake(
        "the targets", "classifier.fit(x, verbose=0)",
        ValueError, "fit: y", "must be given", "got None", "pass y",
    ),
    Mistake(
        "the targets of evaluate", "classifier.evaluate(x)",
        ValueError, "evaluate: y", "must be given", "got None", "pass y",
    ),
    Mistake(
        "the inputs", "classifier.fit()",
        TypeError, "fit: x", "must be given", "got no arguments", r"write fit\(x=",
    ),
    Mistake(
        "inputs of None", "classifier.predict(None)",
        ValueError, "predict: x", "an array of numbers", "got None", "pass the inputs",
    ),
    Mistake(
        "the targets of a generator", "classifier.fit((x for _ in range(3)), verbose=0)",
        ValueError, "fit: batch 1 of the generator", r"it must be \(x, y\)", "got x alone", r"yield \(x, y\)",
    ),
    Mistake(
        "the brackets of a generator", "def batches():\n    yield x, labels\nclassifier.fit(batches, steps_per_epoch=3, verbose=0)",
        ValueError, "fit: x", "an array of numbers", "got the function batches", r"call it, batches\(\)",
    ),
    Mistake(
        "validation data for EarlyStopping", "classifier.fit(x, labels, callbacks=[EarlyStopping()], verbose=0)",
        ValueError, "EarlyStopping: monitor", "this run's figures, loss", "got 'val_loss'", "pass validation_data",
        HUB + "ReDASers/PhishBench/issues/158",
    ),
    Mistake(
        "validation data for ModelCheckpoint",
        "classifier.fit(x, labels, callbacks=[ModelCheckpoint('best', 'val_loss', save_best_only=True)], verbose=0)",
        ValueError, "ModelCheckpoint: monitor", "this run's figures, loss", "got 'val_loss'", "pass validation_data",
        HUB + "nayash/stock_cnn_blog_pub/issues/3",
    ),
    Mistake(
        "the metric that is watched",
        "classifier.fit(x, labels, validation_data=(x, labels), verbose=0,\n"
        "               callbacks=[EarlyStopping('val_binary_accuracy')])",
        ValueError, "EarlyStopping: monitor", "this run's figures, loss, val_loss", "got 'val_binary_accuracy'", "give it to compile",
        HUB + "keras-team/keras/issues/13689",
    ),
    Mistake(
        "the direction of an own metric",
        "def bleu(y_true, y_pred):\n    return 1.0\n"
        "new.compile('adam', SoftmaxCrossEntropy(), metrics=[bleu])\n"
        "new.fit(x, labels, callbacks=[EarlyStopping('bleu')], verbose=0)",
        ValueError, "EarlyStopping: mode", "'max' or 'min'", "got 'auto'", "pass mode='max' or 'min'",
    ),
    Mistake(
        "the steps' source", "classifier.fit(x, labels, validation_steps=3, verbose=0)",
        ValueError, "fit", "validation_steps", "needs validation_data", "pass both, or neither",
    ),
    Mistake(
        "the file", "classifier.save('model')\nModel.load('modle')",
        FileNotFoundError, "modle", "a file that save wrote", "got no file of that name", "did you mean 'model'",
    ),
    Mistake(
        "the file's name", "import os\nos.mkdir('out')\nclassifier.save('out')",
        IsADirectoryError, "'out'", "the path of a file", "got a folder", "add a file name",
    ),
    Mistake(
        "an own layer's class", OWN + "Model([Mine(), Dense(3)], 4).save('m')\nModel.load('m')",
        ValueError, "m", "layers from tinydl or custom_layers", "got 'Mine'", r"custom_layers=\[",
        HUB + "CyberZHG/keras-pos-embd/issues/1",
    ),
    Mistake(
        "super().__init__()", OWN + "    def __init__(self):\n        self.k = 2\nModel([Mine(), Dense(3)], 4)",
        TypeError, "Model: Mine", "__init__ must call Layer's", "got no such call", r"write super\(\)\.__init__\(\)",
        HUB + "sinAshish/Multi-Scale-Attention/issues/14",
    ),
    Mistake(
        "super().build()",
        OWN + "    def build(self, input_shape, rng, dtype):\n        return input_shape\nModel([Mine(), Dense(3)], 4)",
        TypeError, r"Model: mine_1 \(Mine\)", "build must call Layer's", "got no such call", r"write super\(\)\.build\(",
    ),
    Mistake(
        "the return of build",
        OWN + "    def build(self, input_shape, rng, dtype):\n        super().build(input_shape, rng, dtype)\nModel([Mine()], 4)",
        TypeError, r"mine_1 \(Mine\): build", "return the output's shape", "got None", "end build with a return",
    ),
    Mistake(
        "the return of forward", OWN.replace("return 2 * x", "2 * x") + FIT,
        TypeError, r"mine_1 \(Mine\): forward", "return an array", "got None", "end forward with a return",
    ),
    Mistake(
        "the return of backward", OWN.replace("return 2 * dy", "2 * dy") + FIT,
        TypeError, r"mine_1 \(Mine\): backward", "return dL/dx", "got None", "end backward with a return",
    ),
    Mistake(
        "forward", "class Mine(Layer):\n    pass\nModel([Mine()], 4)",
        TypeError, "Model: Mine", r"define forward\(self, x, training=False\)", "got no forward", "define it",
    ),
    Mistake(
        "the argument training", OWN.replace(", training=False", "") + "Model([Mine()], 4)",
        TypeError, "Model: Mine", r"define forward\(self, x, training=False\)", r"got forward\(self, x\)", "change its parameters",
    ),
    Mistake(
        "add_parameter", OWN + "    def __init__(self):\n        super().__init__()\n        self.W = np.ones((4, 4))\nModel([Mine()], 4)",
        TypeError, r"Model: mine_1 \(Mine\)", "holds a float array in self.W", "neither trained nor saved", r"add_parameter\('W'",
    ),
    Mistake(
        "sublayers", OWN + "    def __init__(self):\n        super().__init__()\n        self.dense = Dense(4)\nModel([Mine()], 4)",
        TypeError, "Model: Mine", r"holds the layer self\.dense", "would not be trained", "derive from Container",
    ),
    Mistake(
        "something to train", "classifier.trainable = False\nclassifier.fit(x, labels, verbose=0)",
        ValueError, "fit", "at least one layer with parameters must be trainable", "got all frozen", "set trainable = True",
    ),
    Mistake(
        "to divide the pixels by 255", "cnn.fit((255 * images).astype(np.uint8), kinds, verbose=0)",
        UserWarning, "fit: x", r"pixels near 0 \.\. 1", r"got 0 \.\. 25\d", "pass x / 255",
        HUB + "delijati/pytorch-siamese/issues/3",
    ),
    Mistake(
        "to scale the columns", "regressor.fit(1e6 * x, y, verbose=0)",
        UserWarning, "fit: x", r"numbers near -1 \.\. 1", r"got -2\.33e\+06", r"\(x - mean\) / std",
        HUB + "keras-team/autokeras/issues/737",
    ),
    Mistake(
        "that // rounds down", "new.compile(SGD(1 // 1000), SoftmaxCrossEntropy())\nnew.fit(x, labels, verbose=0)",
        UserWarning, "fit: SGD's learning_rate", "above 0", "got 0", "1 // 1000 is 0",
    ),
    Mistake(
        "that BatchNorm needs a batch",
        "m = Model([BatchNorm(), Dense(3)], 4)\nm.compile('adam', SoftmaxCrossEntropy())\n"
        "m.fit(x, labels, batch_size=1, verbose=0)",
        UserWarning, r"fit: batch_norm_1 \(BatchNorm\)", "batches of 2 rows or more", "got batches of 1", "a larger batch_size",
        HUB + "pytorch/pytorch/issues/4534",
    ),
    Mistake(
        "that epochs count from the first", "classifier.fit(x, labels, epochs=3, initial_epoch=3, verbose=0)",
        UserWarning, "fit", "nothing to train", "initial_epoch is 3", "counts from the first epoch",
    ),
]  # fmt: skip
