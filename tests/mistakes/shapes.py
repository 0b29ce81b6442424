"""Wrong shapes: of inputs, targets, weights and networks."""

from __future__ import annotations

from .mistake import Mistake

HUB = "https://github.com/"

SHAPES = [
    Mistake(
        "one-hot rows of another width", "classifier.fit(x, np.eye(4)[labels], verbose=0)",
        ValueError, "fit: SoftmaxCrossEntropy", r"labels \(n,\) or rows \(n, 3\)", r"got \(12, 4\)",
        "give the last layer 4 units", HUB + "tensorflow/tensorflow/issues/52060",
    ),
    Mistake(
        "a folder too many among the classes", "classifier.fit(x, one_hot[:, :2], verbose=0)",
        ValueError, "fit: SoftmaxCrossEntropy", r"labels \(n,\) or rows \(n, 3\)", r"got \(12, 2\)",
        "give the last layer 2 units", HUB + "krishnaik06/Deep-Learning-Car-Brand/issues/5",
    ),
    Mistake(
        "more classes than units",
        "m = Model([Dense(2)], 4)\nm.compile('adam', SoftmaxCrossEntropy())\nm.fit(x, labels, verbose=0)",
        ValueError, "fit: SoftmaxCrossEntropy", r"0 \.\. 1 for 2 classes", r"got 0 \.\. 2",
        "give the last layer 3 units", HUB + "vrenkens/nabu/issues/9",
    ),
    Mistake(
        "one-hot rows for one unit", "regressor.fit(x, one_hot, verbose=0)",
        ValueError, "fit: MeanSquaredError", r"the shape of the output, \(n, 1\)", r"got \(12, 3\)",
        "give the last layer 3 units, and use SoftmaxCrossEntropy", HUB + "keras-team/keras/issues/8404",
    ),
    Mistake(
        "labels for a loss on numbers",
        "m = Model([Dense(3)], 4)\nm.compile('adam', 'mse')\nm.fit(x, labels, verbose=0)",
        ValueError, "fit: MeanSquaredError", r"the shape of the output, \(n, 3\)", r"got \(12,\)",
        "use SoftmaxCrossEntropy for integer class labels", HUB + "keras-team/keras/issues/7339",
    ),
    Mistake(
        "labels for several yes-or-no outputs",
        "m = Model([Dense(3)], 4)\nm.compile('adam', BinaryCrossEntropy())\nm.fit(x, labels, verbose=0)",
        ValueError, "fit: BinaryCrossEntropy", r"the shape of the output, \(n, 3\)", r"got \(12,\)",
        "use SoftmaxCrossEntropy",
    ),
    Mistake(
        "two columns for one yes-or-no unit", "binary.fit(x, np.eye(2)[yes], verbose=0)",
        ValueError, "fit: BinaryCrossEntropy", r"the shape of the output, \(n, 1\)", r"got \(12, 2\)",
        "give the last layer 2 units",
    ),
    Mistake(
        "a mask for each image", "cnn.fit(images, np.zeros((6, 8, 8), int), verbose=0)",
        ValueError, "fit: SoftmaxCrossEntropy", r"labels \(n,\) or rows \(n, 3\)", r"got \(6, 8, 8\)",
        "pass one label", HUB + "Deeachain/Segmentation-Pytorch/issues/20",
    ),
    Mistake(
        "targets transposed", "regressor.fit(x, y.T, verbose=0)",
        ValueError, "fit: MeanSquaredError", r"the shape of the output, \(n, 1\)", r"got \(1, 12\)", r"transpose them, y\.T",
    ),
    Mistake(
        "one-hot rows transposed", "classifier.fit(x, one_hot.T, verbose=0)",
        ValueError, "fit: SoftmaxCrossEntropy", r"rows \(n, 3\)", r"got \(3, 12\)", r"transpose them, y\.T",
    ),
    Mistake(
        "inputs transposed", "classifier.fit(x.T, labels, verbose=0)",
        ValueError, "fit: x", r"of shape \(n, 4\)", r"got \(4, 12\)", r"transpose it, x\.T",
    ),
    Mistake(
        "x and y of different lengths", "classifier.fit(x, labels[:10], verbose=0)",
        ValueError, "fit: x and y", "the same number of rows", "got 12 and 10", "pass the y of the same rows",
        HUB + "tensorflow/tensorflow/issues/48660",
    ),
    Mistake(
        "x and y of different lengths, to be split", "classifier.fit(x, labels[:10], validation_split=0.3, verbose=0)",
        ValueError, "fit: x, y", "the same number of rows", "got 10 and 12", "of the same rows",
        HUB + "keras-team/keras/issues/14368",
    ),
    Mistake(
        "validation targets of another set", "classifier.fit(x, labels, validation_data=(x, labels[:5]), verbose=0)",
        ValueError, "fit: validation_data: x and y", "the same number of rows", "got 12 and 5", "of the same rows",
        HUB + "tensorflow/tensorflow/issues/47105",
    ),
    Mistake(
        "a single row", "classifier.predict(x[0])",
        ValueError, "predict: x", r"of shape \(n, 4\)", r"got \(4,\)", r"use x\[None\]",
        HUB + "ageron/handson-ml2/issues/215",
    ),
    Mistake(
        "a single image", "cnn.predict(images[0])",
        ValueError, "predict: x", r"of shape \(n, 8, 8, 3\)", r"got \(8, 8, 3\)", r"use x\[None\]",
        HUB + "keras-team/keras/issues/19083",
    ),
    Mistake(
        "one column without its axis",
        "m = Model([Dense(1)], 1)\nm.compile('adam', 'mse')\nm.fit(x[:, 0], y, verbose=0)",
        ValueError, "fit: x", r"of shape \(n, 1\)", r"got \(12,\)", r"x\[:, None\]",
        HUB + "scikit-learn/scikit-learn/issues/13072",
    ),
    Mistake(
        "gray images without their channel",
        "m = Model([Conv2D(2, 3), Flatten(), Dense(3)], (8, 8, 1))\nm.predict(images[..., 0])",
        ValueError, "predict: x", r"of shape \(n, 8, 8, 1\)", r"got \(6, 8, 8\)", r"a channel axis, x\[\.\.\., None\]",
        HUB + "keras-team/keras/issues/11950",
    ),
    Mistake(
        "gray images for a network on colors", "cnn.predict(images[..., :1])",
        ValueError, "predict: x", r"of shape \(n, 8, 8, 3\)", r"got \(6, 8, 8, 1\)", r"x\.repeat\(3, axis=-1\)",
        HUB + "birdnet-team/BirdNET-V1/issues/8",
    ),
    Mistake(
        "images with transparency", "cnn.predict(np.ones((6, 8, 8, 4)))",
        ValueError, "predict: x", r"of shape \(n, 8, 8, 3\)", r"got \(6, 8, 8, 4\)", r"x\[\.\.\., :3\]",
    ),
    Mistake(
        "channels first", "cnn.predict(images.transpose(0, 3, 1, 2))",
        ValueError, "predict: x", r"of shape \(n, 8, 8, 3\)", r"got \(6, 3, 8, 8\)", r"x\.transpose\(0, 2, 3, 1\)",
        HUB + "matterport/Mask_RCNN/issues/1923",
    ),
    Mistake(
        "a network for channels first", "Model([Conv2D(2, 3), Flatten(), Dense(3)], (3, 32, 32))",
        UserWarning, "Model: input_shape", r"\(3, 32, 32\)", "means images 3 pixels high", r"use \(32, 32, 3\)",
        HUB + "asingh33/CNNGestureRecognizer/issues/60",
    ),
    Mistake(
        "images for a network on rows", "Model([Dense(3)], 192).predict(images)",
        ValueError, "predict: x", r"of shape \(n, 192\)", r"got \(6, 8, 8, 3\)", "begin the model with Flatten",
    ),
    Mistake(
        "images of another size", "cnn.predict(images[:, :6, :6])",
        ValueError, "predict: x", r"of shape \(n, 8, 8, 3\)", r"got \(6, 6, 6, 3\)", r"input_shape=\(6, 6, 3\)",
    ),
    Mistake(
        "more columns than in training", "classifier.predict(np.ones((5, 7)))",
        ValueError, "predict: x", r"of shape \(n, 4\)", r"got \(5, 7\)", "the columns that the model was made for",
    ),
    Mistake(
        "the batch axis in input_shape", "Model([Dense(3)], input_shape=(None, 4))",
        ValueError, "Model: input_shape", "leave out the batch axis", r"got \(None, 4\)", r"write \(4,\)",
    ),
    Mistake(
        "the number of rows in input_shape", "Model([Conv2D(2, 3), Flatten()], input_shape=images.shape)",
        ValueError, r"conv2d_1 \(Conv2D\)", r"\(height, width, channels\)", r"got \(6, 8, 8, 3\)",
        r"write input_shape=X\.shape\[1:\]", HUB + "keras-team/keras/issues/10360",
    ),
    Mistake(
        "a batch of one in input_shape", "Model([Conv2D(2, 3), Flatten()], input_shape=(1, 8, 8, 3))",
        ValueError, r"conv2d_1 \(Conv2D\)", r"\(height, width, channels\)", r"got \(1, 8, 8, 3\)",
        r"write input_shape=X\.shape\[1:\]", HUB + "keras-team/keras/issues/10903",
    ),
    Mistake(
        "the shape of all rows for Dense", "Model([Dense(3)], input_shape=x.shape)",
        ValueError, r"dense_1 \(Dense\)", r"input shape \(width,\)", r"got \(12, 4\)", r"input_shape=X\.shape\[1:\]",
        HUB + "flyyufelix/cnn_finetune/issues/8",
    ),
    Mistake(
        "Flatten forgotten before Dense", "Model([Conv2D(2, 3), Dense(3)], (8, 8, 3))",
        ValueError, r"dense_1 \(Dense\)", "rows of numbers", r"got \(6, 6, 2\)", r"put a Flatten\(\) before it",
        HUB + "mrdbourke/pytorch-deep-learning/issues/763",
    ),
    Mistake(
        "Flatten forgotten at the end",
        "m = Model([Conv2D(3, 3)], (8, 8, 3))\nm.compile('adam', SoftmaxCrossEntropy())\nm.fit(images, kinds, verbose=0)",
        ValueError, "fit: SoftmaxCrossEntropy", r"rows of logits \(n, classes\)", r"got \(n, 6, 6, 3\)", r"end it in Flatten",
        HUB + "tensorflow/models/issues/533",
    ),
    Mistake(
        "a convolution on rows", "Model([Conv2D(2, 3)], 4)",
        ValueError, r"conv2d_1 \(Conv2D\)", r"\(height, width, channels\)", r"got \(4,\)", "put it before Flatten",
    ),
    Mistake(
        "a convolution on images without channels", "Model([Conv2D(2, 3)], (28, 28))",
        ValueError, r"conv2d_1 \(Conv2D\)", r"\(height, width, channels\)", r"got \(28, 28\)", "a channel axis",
        HUB + "jbohnslav/opencv_transforms/issues/6",
    ),
    Mistake(
        "a window larger than its image", "Model([Conv2D(2, 5), MaxPool2D(2), Conv2D(2, 5)], (8, 8, 3))",
        ValueError, r"conv2d_2 \(Conv2D\)", "fit into the padded image", "got height 5 for 2 pixels", "smaller window or more padding",
        HUB + "keras-team/keras/issues/12951",
    ),
    Mistake(
        "pooled to nothing", "Model([MaxPool2D(2), MaxPool2D(2), MaxPool2D(2), MaxPool2D(2)], (8, 8, 3))",
        ValueError, r"max_pool2d_4 \(MaxPool2D\)", "fit into the padded image", "got height 2 for 1 pixels", "smaller window",
        HUB + "onnx/onnx-tensorflow/issues/164",
    ),
    Mistake(
        "a shortcut of another width", "Model([Residual([Dense(5)])], 4)",
        ValueError, r"residual_1 \(Residual\)", "equal shapes", r"got \(5,\) and \(4,\)", r"such as Dense\(5\)",
    ),
    Mistake(
        "sample weights of another length", "classifier.fit(x, labels, sample_weight=np.ones(5), verbose=0)",
        ValueError, "fit: sample_weight", r"shape \(12,\)", r"got \(5,\)", "give each row of x one weight",
    ),
    Mistake(
        "sample weights as a column", "classifier.fit(x, labels, sample_weight=np.ones((12, 1)), verbose=0)",
        ValueError, "fit: sample_weight", r"shape \(12,\)", r"got \(12, 1\)", r"sample_weight\[:, 0\]",
    ),
    Mistake(
        "too few weights", "classifier.set_weights([np.ones((4, 5))])",
        ValueError, "set_weights", r"4 arrays of shapes \[\(4, 5\)", r"got 1 of shapes", "get_weights of a model with the same layers",
        HUB + "keras-team/keras/pull/192",
    ),
    Mistake(
        "PyTorch's weights", "classifier.set_weights([w.T for w in classifier.get_weights()])",
        ValueError, "set_weights", r"4 arrays of shapes \[\(4, 5\)", r"got 4 of shapes \[\(5, 4\)", r"W\.T",
    ),
    Mistake(
        "no rows", "classifier.fit(x[:0], labels[:0], verbose=0)",
        ValueError, "fit: x", "not be empty", r"got shape \(0, 4\)", "the filter or the path",
    ),
    Mistake(
        "predictions (n, 1) and targets (n,)", "MeanSquaredError().forward(np.ones((3, 1)), np.ones(3))",
        ValueError, "MeanSquaredError", "the same shape", r"got \(3, 1\) and \(3,\)", r"y_true\[:, None\]",
        HUB + "pytorch/pytorch/issues/16045",
    ),
    Mistake(
        "a later batch of another width", "classifier.evaluate((x[:, : 4 - i], labels) for i in (0, 1))",
        ValueError, "evaluate: batch 2 of the generator: x", r"of shape \(n, 4\)", r"got \(12, 3\)", r"input_shape=\(3,\)",
    ),
    Mistake(
        "samples instead of batches", "classifier.fit(((x[i], labels[i]) for i in range(12)), verbose=0)",
        ValueError, "fit: batch 1 of the generator: x", "a first axis of rows", r"got a single sample of shape \(4,\)",
        "put the samples into batches",
    ),
    Mistake(
        "one weight per class and row", "classifier.fit(x, labels, sample_weight=np.ones((12, 3)), verbose=0)",
        ValueError, "fit: sample_weight", r"one number per row, shape \(12,\)", r"got \(12, 3\)", "give each row of x one weight",
    ),
]  # fmt: skip
