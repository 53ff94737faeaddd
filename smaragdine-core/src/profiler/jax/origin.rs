//! What a compiled program says of an operation beside its name.

/// Where an operation of JAX's stands in its program; the names are those of other operations there.
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash)]
pub struct Origin {
    /// The program computes gradients.
    pub trains: bool,
    /// An operation with a scope that it works for: one that reads what it makes on the way to the loss, or that made
    /// what it reads on the way back.
    pub served: Option<String>,
    /// Outside of what is differentiated: the operation whose gradient it works on.
    pub gradient: Option<String>,
    /// Outside of what is differentiated: the path of the argument that it works on, `params/dense/kernel`, as far as
    /// all that it reads agree.
    pub argument: Option<String>,
    /// Outside of what is differentiated: it reads results of the forward pass, and nobody's gradients.
    pub measures: bool,
}
