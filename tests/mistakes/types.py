"""Wrong types and values: of data, hyper-parameters and objects."""

from __future__ import annotations

from .mistake import Mistake

HUB = "https://github.com/"

TYPES = [
    Mistake(
        "labels from 1", "classifier.fit(x, labels + 1, verbose=0)",
        ValueError, "fit: SoftmaxCrossEntropy: labels", r"0 \.\. 2 for 3 classes", r"got 1 \.\. 3", "pass y - 1",
        HUB + "remicres/otbtf/issues/11",
    ),
    Mistake(
        "a label of -1", "classifier.fit(x, labels - 1, verbose=0)",
        ValueError, "fit: SoftmaxCrossEntropy: labels", r"0 \.\. 2", r"got -1 \.\. 1", r"np\.unique\(y, return_inverse=True\)",
        HUB + "BVLC/caffe/issues/4633",
    ),
    Mistake(
        "words as labels", "classifier.fit(x, np.array(['cat', 'dog', 'cow'])[labels], verbose=0)",
        ValueError, "fit: SoftmaxCrossEntropy: targets", "real numbers", "got dtype <U3.*'cat'",
        r"np\.unique\(y, return_inverse=True\)", HUB + "tensorflow/tensorflow/issues/28367",
    ),
    Mistake(
        "yes and no as words", "binary.fit(x, np.array(['no', 'yes'], dtype=object)[yes], verbose=0)",
        ValueError, "fit: BinaryCrossEntropy: targets", "real numbers", "got dtype object.*'no'", r"np\.unique\(y",
        HUB + "rstudio/keras3/issues/925",
    ),
    Mistake(
        "numbers to predict as labels", "classifier.fit(x, labels + 0.5, verbose=0)",
        ValueError, "fit: SoftmaxCrossEntropy: labels", "integers", r"got 0\.5", "use MeanSquaredError",
        HUB + "milesial/Pytorch-UNet/issues/93",
    ),
    Mistake(
        "numbers as distributions", "classifier.fit(x, x[:, :3], verbose=0)",
        ValueError, "fit: SoftmaxCrossEntropy: every row of targets", r"a distribution \(entries >= 0, sum 1\)",
        r"got entries from -2\.3", "use MeanSquaredError for numbers",
    ),
    Mistake(
        "classes 0, 1, 2 for yes or no", "binary.fit(x, labels, verbose=0)",
        ValueError, "fit: BinaryCrossEntropy: targets", r"in \[0, 1\]", "got 0 to 2", "use SoftmaxCrossEntropy, with a unit for each",
        HUB + "zzh8829/yolov3-tf2/issues/91",
    ),
    Mistake(
        "-1 and 1 for yes or no", "binary.fit(x, 2 * yes - 1, verbose=0)",
        ValueError, "fit: BinaryCrossEntropy: targets", r"in \[0, 1\]", "got -1 to 1", r"pass \(y \+ 1\) / 2",
        HUB + "huanglianghua/siamfc-pytorch/issues/37",
    ),
    Mistake(
        "unscaled inputs as targets of BinaryCrossEntropy",
        "m = Model([Dense(4)], 4)\nm.compile('adam', BinaryCrossEntropy())\nm.fit(x, x, verbose=0)",
        ValueError, "fit: BinaryCrossEntropy: targets", r"in \[0, 1\]", r"got -2\.", "scale them",
        HUB + "keras-team/keras/issues/2841",
    ),
    Mistake(
        "three classes for Hinge", "m = Model([Dense(1)], 4)\nm.compile('adam', Hinge())\nm.fit(x, labels, verbose=0)",
        ValueError, "fit: Hinge: targets", "-1 and 1, or all 0 and 1", "got 2", "convert them to -1 and 1",
    ),
    Mistake(
        "logits for KLDivergence", "new.compile('adam', KLDivergence())\nnew.fit(x, one_hot, verbose=0)",
        ValueError, "KLDivergence: predictions", r"rows with sum 1", "got entries from -", r"end the model with Softmax\(\)",
        HUB + "keras-team/keras/issues/1917",
    ),
    Mistake(
        "NaN in x", "x[3, 1] = np.nan\nclassifier.fit(x, labels, verbose=0)",
        ValueError, "fit: x", "must be finite", r"got NaN .* at \(3, 1\)", "clean or impute",
        HUB + "pylablanche/gcForest/issues/22",
    ),
    Mistake(
        "NaN in y", "y[3] = np.nan\nregressor.fit(x, y, verbose=0)",
        ValueError, "fit: MeanSquaredError: targets", "must be finite", "got NaN or infinity in row 3", "leave such rows out",
    ),
    Mistake(
        "infinity in x", "x[3, 1] = np.inf\nclassifier.predict(x)",
        ValueError, "predict: x", "must be finite", r"got NaN or infinity, first at \(3, 1\)", "clean or impute",
    ),
    Mistake(
        "a missing entry in a list", "classifier.fit([[1, 2, 3, None]], [0], verbose=0)",
        ValueError, "fit: x", "must be finite", r"got NaN .* at \(0, 3\)", "impute",
    ),
    Mistake(
        "numbers too large for float32", "classifier.predict(np.full((2, 4), 1e300))",
        ValueError, "predict: x", "must be finite as float32", r"got 1e\+300 at \(0, 0\)", "scale the data",
    ),
    Mistake(
        "a column of words", "classifier.fit(np.array([[1, 2, 3, 'red'], [4, 5, 6, 'blue']], dtype=object), [0, 1], verbose=0)",
        ValueError, "fit: x", r"numbers of shape \(n, 4\)", "got the word 'red' in column 3", r"pandas\.get_dummies",
        HUB + "mindsdb/mindshub/issues/84",
    ),
    Mistake(
        "rows of different lengths", "classifier.fit([[1, 2, 3, 4], [1, 2]], [0, 1], verbose=0)",
        ValueError, "fit: x", r"numbers of shape \(n, 4\)", "got rows of different lengths", "pad or cut them",
        HUB + "keras-team/keras/issues/13940",
    ),
    Mistake(
        "targets of different lengths", "classifier.fit(x[:2], [[1, 0, 0], [1]], verbose=0)",
        ValueError, "fit: SoftmaxCrossEntropy: targets", "an array", "got rows of different lengths", "pad or cut them",
        HUB + "kpe/bert-for-tf2/issues/73",
    ),
    Mistake(
        "dates", "classifier.predict(np.full((2, 4), '2020-01-01', dtype='datetime64[D]'))",
        ValueError, "predict: x", "a plain array", "got a ndarray", "turn times into numbers",
    ),
    Mistake(
        "complex numbers", "classifier.predict(x + 1j)",
        ValueError, "predict: x", "numbers of shape", "got complex numbers", "pass the real part",
    ),
    Mistake(
        "a path instead of data", "classifier.fit('train.csv', labels, verbose=0)",
        ValueError, "fit: x", "numbers of shape", r"got the text 'train\.csv'", "read the file first",
    ),
    Mistake(
        "a sparse matrix", "from scipy.sparse import csr_matrix\nclassifier.fit(csr_matrix(x), labels, verbose=0)",
        ValueError, "fit: x", "a plain array", "got a csr_matrix", r"x\.toarray\(\)", HUB + "keras-team/keras/issues/4984",
    ),
    Mistake(
        "a masked array", "classifier.fit(np.ma.masked_less(x, 0), labels, verbose=0)",
        ValueError, "fit: x", "a plain array", "got a MaskedArray", r"x\.filled\(value\)",
    ),
    Mistake(
        "inputs by name", "classifier.fit({'age': x}, labels, verbose=0)",
        ValueError, "fit: x", "a plain array", "got a dict", "choose one of 'age'",
    ),
    Mistake(
        "a list for Batches", "Batches([[1, 2]], [1])",
        TypeError, "Batches: x", "an array of numbers", r"got \[\[1, 2\]\]", r"np\.asarray\(x\)",
    ),
    Mistake(
        "units by division", "Dense((3 * 3 + 3) / 2)",
        ValueError, "Dense: units", "an integer >= 1", r"got 6\.0", "write 6, or //", HUB + "keras-rl/keras-rl/issues/102",
    ),
    Mistake(
        "steps by division", "classifier.fit(x, labels, steps_per_epoch=len(x) / 4, verbose=0)",
        ValueError, "fit: steps_per_epoch", "an integer >= 1", r"got 3\.0", "write 3, or //",
        HUB + "avolkov1/keras_experiments/issues/14",
    ),
    Mistake(
        "epochs by division", "classifier.fit(x, labels, epochs=5 / 2, verbose=0)",
        ValueError, "fit: epochs", "an integer >= 1", r"got 2\.5", "divide with //", HUB + "XifengGuo/DEC-keras/issues/1",
    ),
    Mistake(
        "a batch size from the command line", "classifier.fit(x, labels, batch_size='32', verbose=0)",
        ValueError, "fit: batch_size", "an integer >= 1", "got '32'", "write 32 without quotes",
    ),
    Mistake(
        "a rate in percent", "Dropout(50)",
        ValueError, "Dropout: rate", "0 <= rate < 1", "got 50", r"write 0\.5 for 50 %",
    ),
    Mistake(
        "a split in percent", "classifier.fit(x, labels, validation_split=20, verbose=0)",
        ValueError, "fit: validation_split", "0 <= validation_split < 1", "got 20", r"write 0\.2",
    ),
    Mistake(
        "a learning rate as a string", "Adam('0.001')",
        ValueError, "Adam: learning_rate", "a finite number", r"got '0\.001'", r"write 0\.001 without quotes",
    ),
    Mistake(
        "a comma behind the learning rate", "rate = 1e-3,\nAdam(rate)",
        ValueError, "Adam: learning_rate", "a finite number", r"got \(0\.001,\)", r"write 0\.001",
    ),
    Mistake(
        "an activation as a function", "Dense(10, np.tanh)",
        ValueError, "Dense: activation", "one of None, 'linear', 'relu'", "got <ufunc 'tanh'>", "write 'tanh'",
    ),
    Mistake(
        "an activation as a layer", "Dense(10, ReLU())",
        ValueError, "Dense: activation", "one of None, 'linear', 'relu'", r"got ReLU\(\)", "write 'relu'",
    ),
    Mistake(
        "a misspelt activation", "Dense(10, 'tang')",
        ValueError, "Dense: activation", "one of None, 'linear', 'relu'", "got 'tang'", "did you mean 'tanh'",
        HUB + "keras-team/keras/issues/1894",
    ),
    Mistake(
        "padding in capitals", "Conv2D(3, 3, padding='SAME')",
        ValueError, "Conv2D: padding", "one of 'valid', 'same'", "got 'SAME'", "did you mean 'same'",
    ),
    Mistake(
        "a number as a regularizer", "Dense(3, kernel_regularizer=0.01)",
        ValueError, "Dense: kernel_regularizer", r"such as L2\(1e-4\)", r"got 0\.01", r"write L2\(0\.01\)",
    ),
    Mistake(
        "half precision", "Model([Dense(3)], 4, dtype='float16')",
        ValueError, "Model: dtype", "float32 or float64", "got 'float16'", "write 'float32'",
    ),
    Mistake(
        "the data as input_shape", "Model([Dense(3)], input_shape=x)",
        TypeError, "Model: input_shape", "the shape of one sample", r"got an array of shape \(12, 4\)", r"input_shape=\(4,\)",
    ),
    Mistake(
        "several losses", "new.compile('adam', ['mse', 'mse'])",
        TypeError, "compile: loss", "a tinydl Loss", r"got \['mse', 'mse'\]", "pass a single loss",
    ),
    Mistake(
        "a number as optimizer", "new.compile(0.9, 'mse')",
        TypeError, "compile: optimizer", "a tinydl Optimizer", r"got 0\.9", r"pass Adam\(\)",
        HUB + "YerevaNN/mimic3-benchmarks/issues/120",
    ),
    Mistake(
        "a name with brackets", "new.compile('adam', 'MeanSquaredError()')",
        ValueError, "compile: loss", r"an object such as MeanSquaredError\(\)", r"got 'MeanSquaredError\(\)'",
        "did you mean 'MeanSquaredError'", HUB + "NEGU93/cvnn/issues/24",
    ),
    Mistake(
        "class weights as a list", "classifier.fit(x, labels, class_weight=[1.0, 2.0, 1.0], verbose=0)",
        TypeError, "fit: class_weight", r"\{class: weight\}", r"got \[1\.0, 2\.0, 1\.0\]", r"dict\(enumerate\(class_weight\)\)",
        HUB + "tensorflow/tensorflow/issues/40070",
    ),
    Mistake(
        "a class weight of no class", "classifier.fit(x, labels, class_weight={1: 1.0, 2: 1.0, 3: 2.0}, verbose=0)",
        ValueError, "fit: the classes of class_weight", r"among 0 \.\. 2", "got 3", "classes count from 0",
        HUB + "tensorflow/tensorflow/issues/55308",
    ),
    Mistake(
        "a class instead of a callback", "classifier.fit(x, labels, callbacks=[EarlyStopping], verbose=0)",
        TypeError, "fit: callbacks", "Callback objects", "got <class .*EarlyStopping'>", r"pass tinydl\.callbacks\.EarlyStopping\(",
        HUB + "fastai/fastai/issues/1084",
    ),
    Mistake(
        "a callback of a class of one's own", "class Fake:\n    pass\nclassifier.fit(x, labels, callbacks=[Fake()], verbose=0)",
        TypeError, "fit: callbacks", "Callback objects", "got <.*Fake object", r"derive its class from tinydl\.callbacks\.Callback",
        HUB + "keras-team/keras/issues/23263",
    ),
    Mistake(
        "a class instead of a layer", "Model([Dense(3), ReLU], 4)",
        TypeError, "Model", "Layer objects", "got <class .*ReLU'>", r"write ReLU\(", HUB + "keras-team/keras/issues/4074",
    ),
    Mistake(
        "an array in the list of layers", "Model([x, Dense(3)], 4)",
        TypeError, "Model", "Layer objects", r"got array\(", "write a layer", HUB + "keras-team/keras/issues/14983",
    ),
    Mistake(
        "an optimizer's class", "new.compile(Adam, 'mse')",
        TypeError, "compile: optimizer", "a tinydl Optimizer", r"got <class .*Adam'>", r"write Adam\(\)",
        HUB + "zsylvester/segmenteverygrain/issues/3",
    ),
    Mistake(
        "a loss's class", "new.compile(Adam(), MeanSquaredError)",
        TypeError, "compile: loss", "a tinydl Loss", "got <class", r"write MeanSquaredError\(\)",
    ),
    Mistake(
        "a file of another kind", "with open('m.h5', 'wb') as f:\n    f.write(bytes([137]) + b'HDF' + bytes(100))\nModel.load('m.h5')",
        ValueError, r"m\.h5", "a safetensors file", "got an HDF5 file", r"model\.save\(path\)",
        HUB + "keras-team/keras/issues/19164",
    ),
    Mistake(
        "a pickle as a model", "import pickle\nwith open('m.pkl', 'wb') as f:\n    pickle.dump({'W': x}, f)\nModel.load('m.pkl')",
        ValueError, r"m\.pkl", "a safetensors file", "got a pickle", r"model\.save\(path\)",
    ),
    Mistake(
        "a truncated file",
        "classifier.save('m')\nwith open('m', 'r+b') as f:\n    f.truncate(300)\nModel.load('m')",
        ValueError, "m", "a safetensors file", "got a truncated or different file", r"model\.save\(path\)",
        HUB + "fchollet/deep-learning-models/issues/64",
    ),
    Mistake(
        "somebody else's weights",
        "from safetensors.numpy import save_file\nsave_file({'W': x}, 'w')\nModel.load('w')",
        ValueError, "w", "written by tinydl", "got a safetensors file without an architecture", r"model\.save\(path\)",
    ),
    Mistake(
        "a gradient check of a class", "check_layer(Dense, x=(5, 3))",
        TypeError, "check_layer: layer", "an instance", "got the class Dense", r"write Dense\(",
    ),
    Mistake(
        "a numerical gradient in float32", "numerical_gradient(lambda v: (v**2).sum(), x)",
        TypeError, "numerical_gradient: x", "a float64 array", "got a float32 array", r"dtype=np\.float64",
    ),
]  # fmt: skip
