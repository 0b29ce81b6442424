"""Pictures of models, training and images: each function returns a Figure and, if `path` is given, saves a PNG,
SVG or PDF.

A picture with one panel is drawn on the axes `ax` if given. `source`, the name of the data, is added to the title.
Figures are made without pyplot and its global state, so they work without a display and in threads; notebooks show
them. The colors are those of Okabe & Ito (2008), which color-blind readers can tell apart.
"""

from .attribution import occlusion, occlusion_map, saliency, saliency_map
from .diagram import model_diagram
from .images import confusion_matrix, feature_maps, filters, most_confident_mistakes
from .latent import codes, latent_space, principal_components
from .lowering import im2col_diagram
from .pooling import pooling_diagram
from .rates import learning_rate_range
from .receptive import receptive_field, receptive_field_diagram
from .step import activations, gradient_flow
from .style import BLUE, COLOURS, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILION, Picture
from .tiles import tiles_diagram
from .training import History, accuracy_curves, loss_curves, training_curves
from .valleys import VALLEYS, Valley, default_optimizers, optimizer_animation, optimizer_path, optimizer_paths

__all__ = [
    "BLUE", "COLOURS", "GREEN", "GREY", "History", "ORANGE", "PURPLE", "Picture", "SKY", "VALLEYS", "VERMILION",
    "Valley", "accuracy_curves", "activations", "codes", "confusion_matrix", "default_optimizers", "feature_maps",
    "filters", "gradient_flow", "im2col_diagram", "latent_space", "learning_rate_range", "loss_curves", "model_diagram",
    "most_confident_mistakes", "occlusion", "occlusion_map", "optimizer_animation", "optimizer_path",
    "optimizer_paths", "pooling_diagram", "principal_components", "receptive_field", "receptive_field_diagram",
    "saliency", "saliency_map", "tiles_diagram", "training_curves",
]  # fmt: skip
