//! How much of a journal is read: less of one that could not be assembled whole.

/// Parts of a journal, each within the one before it. What was measured is in all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    Whole,
    /// Without what could be large: events, profiles, and requests longer than steps and notes are.
    WithoutOperations,
    /// Without anything that clients sent.
    Measured,
}

/// A minute's steps are shorter.
const SHORT: usize = 64 << 10;

impl Part {
    pub const ALL: [Self; 3] = [Self::Whole, Self::WithoutOperations, Self::Measured];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::WithoutOperations => "without-operations",
            Self::Measured => "measured",
        }
    }

    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|part| part.name() == name)
    }

    /// What this part lacks, in words.
    #[must_use]
    pub fn lacks(self) -> &'static str {
        match self {
            Self::Whole => "nothing",
            Self::WithoutOperations => "its operations",
            Self::Measured => "all that the program sent: operations, steps and notes",
        }
    }

    /// Whether a request of so many bytes is read.
    pub(super) fn reads(self, bytes: usize) -> bool {
        match self {
            Self::Whole => true,
            Self::WithoutOperations => bytes <= SHORT,
            Self::Measured => false,
        }
    }

    /// Whether what was read is wanted.
    pub(super) fn wants(self, request: &crate::wire::v1::RecordRequest) -> bool {
        use crate::wire::v1::record_request::Payload;
        self == Self::Whole || !matches!(request.payload, Some(Payload::Events(_) | Payload::Profile(_)))
    }
}
