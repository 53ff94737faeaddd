//! One execution of an operation, as its thread or its stream tells of it.

/// Operations of one name in one frame that are told apart; further ones share a name.
pub(super) const MOST_NUMBERED: u32 = 64;

/// What an operation is, whoever's scope its frame is in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Leaf {
    pub(super) frame: u32,
    /// [`super::titles::Titles::word`]
    pub(super) word: u32,
    /// How many of its name ran in the frame before it.
    pub(super) occurrence: u32,
    pub(super) at_ns: i64,
}

impl Leaf {
    /// `addmm`, `addmm_1`; beyond so many, all the rest together.
    pub(super) fn named(&self, word: &str) -> String {
        match self.occurrence {
            0 => word.to_owned(),
            more if more + 1 >= MOST_NUMBERED => format!("{word}_more"),
            occurrence => format!("{word}_{occurrence}"),
        }
    }
}
