//! Generated protocol types.

pub mod codec;

/// `smaragdine.v1`: what clients and the daemon say to each other.
#[allow(clippy::all, unreachable_pub)]
pub mod v1 {
    tonic::include_proto!("smaragdine.v1");
}

/// `tensorflow`: what its sessions and graphs say, as far as it is read here.
#[allow(clippy::all, unreachable_pub)]
pub mod tensorflow {
    tonic::include_proto!("tensorflow");

    /// `tensorflow.profiler`: what its profiler writes.
    pub mod profiler {
        tonic::include_proto!("tensorflow.profiler");
    }
}

/// `xla`: compiled programs.
#[allow(clippy::all, unreachable_pub)]
pub mod xla {
    tonic::include_proto!("xla");
}

/// Clients refuse a daemon whose version differs from theirs.
pub const PROTOCOL_VERSION: u32 = 1;
