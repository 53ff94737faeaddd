//! Compiles the protocol files with protox, so that no system `protoc` is needed.

use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../protos");
    println!("cargo:rerun-if-changed={}", root.display());

    let service = protox::compile(["smaragdine/v1/trace.proto", "smaragdine/v1/accountant.proto"], [&root])?;
    let configured = tonic_prost_build::configure().bytes(".smaragdine.v1").codec_path("crate::wire::codec::Bounded");
    configured.compile_fds(service)?;

    let profiles = ["xplane", "step_stats", "graph", "hlo"].map(|name| format!("tensorflow/{name}.proto"));
    let profiles = protox::compile(profiles, [&root])?;
    tonic_prost_build::configure().build_client(false).build_server(false).compile_fds(profiles)?;
    Ok(())
}
