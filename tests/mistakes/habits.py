"""Habits from other libraries, and from other versions of them."""

from __future__ import annotations

from .mistake import Mistake

HUB = "https://github.com/"

HABITS = [
    Mistake(
        "lr", "Adam(lr=0.1)",
        TypeError, "Adam", "the arguments are learning_rate", "got 'lr'", "write learning_rate",
        HUB + "philipperemy/keras-tcn/issues/284",
    ),
    Mistake(
        "the attribute lr", "classifier.optimizer.lr = 0.1\nclassifier.fit(x, labels, verbose=0)",
        AttributeError, "fit: Adam", "has no attribute 'lr'", "it was set", "did you mean learning_rate",
        HUB + "keras-team/keras/issues/17338",
    ),
    Mistake(
        "input_dim in the layer", "Dense(3, input_dim=4)",
        TypeError, "Dense", "the arguments are units", "got 'input_dim'", r"Model\(\[\.\.\.\], input_shape=",
    ),
    Mistake(
        "in_features", "Dense(in_features=4, out_features=3)",
        TypeError, "Dense", "the arguments are units", "got 'in_features'", "give the shape of one sample to the model",
    ),
    Mistake(
        "nb_epoch", "classifier.fit(x, labels, nb_epoch=3)",
        TypeError, "fit", "the arguments are x, y", "got 'nb_epoch'", "write epochs",
    ),
    Mistake(
        "decay", "SGD(0.1, decay=1e-6)",
        TypeError, "SGD", "the arguments are learning_rate", "got 'decay'", "use a schedule",
    ),
    Mistake(
        "clipvalue", "Adam(clipvalue=1.0)",
        TypeError, "Adam", "the arguments are learning_rate", "got 'clipvalue'", "use global_clipnorm",
    ),
    Mistake(
        "from_logits", "SoftmaxCrossEntropy(from_logits=True)",
        TypeError, "SoftmaxCrossEntropy", "the arguments are label_smoothing", "got 'from_logits'", "this loss takes logits",
    ),
    Mistake(
        "data_format", "Conv2D(3, 3, data_format='channels_first')",
        TypeError, "Conv2D", "the arguments are filters", "got 'data_format'", "images are channels last",
    ),
    Mistake(
        "softmax as an activation", "Dense(10, activation='softmax')",
        ValueError, "Dense: activation", "one of None", "got 'softmax'", "leave it out and use SoftmaxCrossEntropy",
    ),
    Mistake(
        "relu in the list of layers", "Model([Dense(3), 'relu'], 4)",
        TypeError, "Model", "Layer objects", "got 'relu'", r"write ReLU\(\), or Dense\(10, 'relu'\)",
    ),
    Mistake(
        "a list in the list of layers", "Model([[Dense(3), ReLU()], Dense(3)], 4)",
        TypeError, "Model", "Layer objects", r"got \[Dense\(", r"write Sequential\(\[",
    ),
    Mistake(
        "a function in the list of layers", "Model([Dense(3), np.tanh], 4)",
        TypeError, "Model", "Layer objects", "got <ufunc 'tanh'>", r"such as Tanh\(\)",
    ),
    Mistake(
        "a loss as a function", "new.compile('adam', lambda y_true, y_pred: np.mean((y_true - y_pred) ** 2))",
        TypeError, "compile: loss", "a tinydl Loss", "got <function <lambda>", "derive a class from tinydl's Loss",
    ),
    Mistake(
        "an optimizer that is not here", "new.compile('nadam', 'mse')",
        ValueError, "compile: optimizer", "one of 'sgd', 'rmsprop', 'adam'", "got 'nadam'", "did you mean 'adam'",
    ),
    Mistake(
        "cross_entropy", "new.compile('adam', 'cross_entropy')",
        ValueError, "compile: loss", "one of 'mean_squared_error'", "got 'cross_entropy'", "did you mean 'binary_crossentropy'",
    ),
    Mistake(
        "metrics by output", "new.compile('adam', 'mse', metrics={'out': 'accuracy'})",
        ValueError, "compile: metrics", r"a function \(y_true, y_pred\) -> float", "got 'out'", "pass a function",
    ),
    Mistake(
        "a loss among the metrics", "new.compile('adam', 'mse', metrics=[MeanSquaredError()])",
        TypeError, "compile: metrics", "names or functions", r"got MeanSquaredError\(\)", "pass a name",
    ),
    Mistake(
        "acc for accuracy",
        "new.compile('adam', SoftmaxCrossEntropy(), metrics=['accuracy'])\n"
        "new.fit(x, labels, callbacks=[EarlyStopping('acc')], verbose=0)",
        ValueError, "EarlyStopping: monitor", "this run's figures, loss, accuracy", "got 'acc'", "did you mean 'accuracy'",
        HUB + "keras-team/keras/pull/6954",
    ),
    Mistake(
        "one callback without a list", "classifier.fit(x, labels, callbacks=EarlyStopping('loss'), verbose=0)",
        TypeError, "fit: callbacks", "a list of Callback objects", "got one object", r"callbacks=\[EarlyStopping",
    ),
    Mistake(
        "a function as a callback", "classifier.fit(x, labels, callbacks=[lambda epoch, logs: None], verbose=0)",
        TypeError, "fit: callbacks", "Callback objects", "got <function", r"LambdaCallback\(on_epoch_end=",
    ),
    Mistake(
        "a misspelt event",
        "class Mine(Callback):\n    def on_epoch_ends(self, epoch, logs=None):\n        pass\n"
        "classifier.fit(x, labels, callbacks=[Mine()], verbose=0)",
        TypeError, "Mine: methods", "must be of on_train_begin", "got on_epoch_ends", "did you mean on_epoch_end",
    ),
    Mistake(
        "class_weight='balanced'", "classifier.fit(x, labels, class_weight='balanced', verbose=0)",
        TypeError, "fit: class_weight", r"\{class: weight\}", "got 'balanced'", r"compute_class_weight\(",
        HUB + "keras-team/keras/issues/5116",
    ),
    Mistake(
        "batches as dicts", "classifier.fit(({'x': x, 'y': labels} for _ in range(3)), verbose=0)",
        TypeError, "fit: batch 1 of the generator", r"\(x, y\) or \(x, y, sample_weight\)", "got a mapping with the keys 'x', 'y'", r"yield a tuple \(x, y\)",
    ),
    Mistake(
        "a batch size beside a generator", "classifier.fit(((x, labels) for _ in range(3)), batch_size=32, verbose=0)",
        ValueError, "fit: batch_size", "must be left out", "x is a generator", "it decides how many rows",
    ),
    Mistake(
        "workers", "classifier.fit(x, labels, workers=4)",
        TypeError, "fit", "the arguments are x, y", "got 'workers'", "remove it",
    ),
    Mistake(
        "predict_classes", "classifier.predict_classes(x)",
        AttributeError, "Model", "has no attribute", "'predict_classes'", r"predict\(x\)\.argmax\(-1\)",
        HUB + "keras-team/keras/issues/15838",
    ),
    Mistake(
        "fit_generator", "classifier.fit_generator(iter([]))",
        AttributeError, "Model", "has no attribute", "'fit_generator'", r"fit\(generator, steps_per_epoch=",
    ),
    Mistake(
        "add", "new.add(Dense(3))",
        AttributeError, "Model", "has no attribute", "'add'", r"Model\(\[Dense\(3\), \.\.\.\], input_shape=",
    ),
    Mistake(
        "state_dict", "classifier.state_dict()",
        AttributeError, "Model", "has no attribute", "'state_dict'", r"use get_weights\(\)",
    ),
    Mistake(
        "score", "classifier.score(x, labels)",
        AttributeError, "Model", "has no attribute", "'score'", r"write evaluate\(x, y\)",
    ),
    Mistake(
        "requires_grad", "classifier.layers[0].requires_grad = False\nclassifier.fit(x, labels, verbose=0)",
        AttributeError, r"fit: dense_1 \(Dense\)", "has no attribute 'requires_grad'", "it was set", r"layer\.trainable = False",
    ),
    Mistake(
        "a misspelt flag", "classifier.layers[0].trainble = False\nclassifier.fit(x, labels, verbose=0)",
        AttributeError, r"fit: dense_1 \(Dense\)", "has no attribute 'trainble'", "it was set", "did you mean trainable",
    ),
    Mistake(
        "units changed afterwards", "classifier.layers[0].units = 7\nclassifier.fit(x, labels, verbose=0)",
        ValueError, r"fit: dense_1 \(Dense\)\.units", "must stay 5", "got 7", "build a new Model",
    ),
    Mistake(
        "call for forward", "class Mine(Layer):\n    def call(self, x):\n        return x\nModel([Mine()], 4)",
        TypeError, "Model: Mine", r"define forward\(self, x, training=False\)", "got call", "rename it to forward",
    ),
    Mistake(
        "a schedule beside ReduceLROnPlateau",
        "new.compile(Adam(ExponentialDecay(0.1, 10, 0.5)), SoftmaxCrossEntropy())\n"
        "new.fit(x, labels, callbacks=[ReduceLROnPlateau('loss')], verbose=0)",
        ValueError, "ReduceLROnPlateau: the optimizer's learning_rate", "a number", r"got ExponentialDecay\(", "use either the schedule or this callback",
    ),
    Mistake(
        "a loss on probabilities for logits", "new.compile('adam', 'categorical_crossentropy')",
        UserWarning, "compile: categorical_crossentropy", "is taken on logits", r"dense_1 \(Dense\) at the end has no softmax",
        r"Pass SoftmaxCrossEntropy\(\)",
    ),
    Mistake(
        "a dot in a name", "Model([Dense(3, name='block.1')], 4)",
        ValueError, "Model: a layer's name", "must not contain a dot", r"got 'block\.1'", "write 'block_1'",
    ),
]  # fmt: skip
