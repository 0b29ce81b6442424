"""Callbacks: actions between batches and epochs, such as logging, checkpoints and early stopping.

A run first sets each callback's `model`, `params` ({"epochs", "initial_epoch", "steps", "metrics", "batch_size",
"resumed"}; "steps" is None if the number of batches is unknown; "resumed" says whether `set_state` follows) and `notes`
(the list in History), then calls its method for each event. `logs` maps the names of figures ("loss", "val_loss",
metrics) to their values; an epoch without validation has no "val_" figures. Setting `model.stop_training = True` ends
the run after the current epoch.

A Checkpoint saves the run, with what each callback's `get_state` returns; in a run that continues from the file,
`set_state` hands it back. A callback without these two methods begins anew.
"""

from .base import Callback, Logs
from .checkpoint import Checkpoint
from .csv_logger import CSVLogger
from .early_stopping import EarlyStopping
from .history import History
from .lambda_callback import LambdaCallback
from .learning_rate_scheduler import LearningRateScheduler
from .model_checkpoint import ModelCheckpoint
from .monitor import Monitor
from .progress_bar import ProgressBar
from .reduce_lr_on_plateau import ReduceLROnPlateau
from .tensorboard import TensorBoard

__all__ = [
    "CSVLogger", "Callback", "Checkpoint", "EarlyStopping", "History", "LambdaCallback", "LearningRateScheduler",
    "Logs", "ModelCheckpoint", "Monitor", "ProgressBar", "ReduceLROnPlateau", "TensorBoard",
]  # fmt: skip
