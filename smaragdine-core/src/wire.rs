//! Generated protocol types.

/// `smaragdine.v1`: what clients and the daemon say to each other.
#[allow(clippy::all, unreachable_pub)]
pub mod v1 {
    tonic::include_proto!("smaragdine.v1");
}

/// Clients refuse a daemon whose version differs from theirs.
pub const PROTOCOL_VERSION: u32 = 1;
