//! Which scopes are a loss's.

/// The scope that a loss of Keras's opens where a program calls it itself (keras/src/losses/losses.py).
pub(super) fn is_known(scope: &str) -> bool {
    const KNOWN: [&str; 24] = [
        "binary_crossentropy",
        "binary_focal_crossentropy",
        "categorical_crossentropy",
        "categorical_focal_crossentropy",
        "categorical_generalized_cross_entropy",
        "categorical_hinge",
        "circle",
        "cosine_similarity",
        "ctc",
        "dice",
        "hinge",
        "huber_loss",
        "kl_divergence",
        "log_cosh",
        "mean_absolute_error",
        "mean_absolute_percentage_error",
        "mean_squared_error",
        "mean_squared_logarithmic_error",
        "poisson",
        "softmax_cross_entropy_loss",
        "sparse_categorical_crossentropy",
        "sparse_softmax_cross_entropy_loss",
        "squared_hinge",
        "tversky",
    ];
    KNOWN.contains(&scope)
}
