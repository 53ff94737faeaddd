//! What the profiler says went wrong, in words that say what to do about it.

use super::plane::Plane;

const REFUSED: &str = "the GPU's kernels were not traced: its driver lets only administrators profile it (CUPTI); \
    hint: have the module nvidia loaded with NVreg_RestrictProfilingToAdminUsers=0, or give the training CAP_SYS_ADMIN";

const NOT_LOADED: &str = "the GPU's kernels were not traced: CUPTI could not be loaded; hint: pip install \
    'tensorflow[and-cuda]', or add the folder of libcupti.so to LD_LIBRARY_PATH";

const MISSING: &str = "a GPU was used and none of its kernels were traced; hint: CUPTI must be installed \
    (pip install 'tensorflow[and-cuda]') and allowed (the module nvidia with NVreg_RestrictProfilingToAdminUsers=0, or \
    CAP_SYS_ADMIN)";

/// An error of the profiler's. The texts are those of `CuptiTracer::ErrorIfAny` in
/// `xla/backends/profiler/gpu/cupti_tracer.cc`, and of CUPTI's own result.
pub(super) fn of_error(error: &str) -> String {
    if error.contains("Insufficient privilege") || error.contains("CUPTI_ERROR_INSUFFICIENT_PRIVILEGES") {
        REFUSED.to_owned()
    } else if error.contains("Failed to load libcupti") {
        NOT_LOADED.to_owned()
    } else {
        format!("the profiler reports: {error}")
    }
}

/// Where the host used a GPU and `notes` do not say why none of its work is told. `launched`: the driver was called.
pub(super) fn missing_gpu(host: &Plane, launched: bool, notes: &[String]) -> Option<String> {
    let told = notes.iter().any(|note| note == REFUSED || note == NOT_LOADED);
    // A driver that refuses leaves no error behind: `GpuTracer::CollectData` in
    // `xla/backends/profiler/gpu/device_tracer_cuda.cc`. The host still tells whose memory it gave out.
    let allocated = || host.stats.values().any(|text| is_gpu_allocator(text));
    (!told && (launched || allocated())).then(|| MISSING.to_owned())
}

/// `GPU_0_bfc`, as `tensorflow/core/common_runtime/gpu/gpu_process_state.cc` names it.
fn is_gpu_allocator(name: &str) -> bool {
    name.strip_prefix("GPU_")
        .and_then(|rest| rest.strip_suffix("_bfc"))
        .is_some_and(|number| number.parse::<u16>().is_ok())
}
