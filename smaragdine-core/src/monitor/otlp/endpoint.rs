//! Where a receiver is: by the option, or by OpenTelemetry's own variables where the option leaves it to them.

use std::time::Duration;

use tonic::codegen::http::Uri;
use tonic::transport::Endpoint;

/// Where a collector of this machine listens.
const DEFAULT: &str = "http://localhost:4317";
/// In the order in which OpenTelemetry reads them.
const VARIABLES: [&str; 2] = ["OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];

/// How long a receiver may take for a connection, and for an answer.
const CONNECTING: Duration = Duration::from_secs(5);
const ANSWERING: Duration = Duration::from_secs(10);

/// The URL that is told; where none is, that of the environment, or the default.
#[must_use]
pub fn url(told: &str, variable: impl Fn(&str) -> Option<String>) -> String {
    let asked = Some(told.to_owned()).into_iter().chain(VARIABLES.iter().filter_map(|name| variable(name)));
    asked.map(|url| url.trim().to_owned()).find(|url| !url.is_empty()).unwrap_or_else(|| DEFAULT.to_owned())
}

/// As the command line has it: nothing is left to the environment.
///
/// # Errors
/// As [`endpoint`].
pub fn parse_url(text: &str) -> Result<String, String> {
    if text.is_empty() { Ok(String::new()) } else { endpoint(text).map(|_| text.to_owned()) }
}

/// # Errors
/// In words, where nobody can be reached by `url` over plain gRPC.
pub(super) fn endpoint(url: &str) -> Result<Endpoint, String> {
    let wrong = || format!("`{url}` is no address of an OTLP receiver; write http://localhost:4317");
    let uri: Uri = url.parse().map_err(|_| wrong())?;
    match uri.scheme_str() {
        Some("http") => {}
        Some("https") => {
            return Err(format!(
                "`{url}`: metrics are sent over plain gRPC; let a collector of this machine send them on with TLS"
            ));
        }
        _ => return Err(wrong()),
    }
    let plain = uri.host().is_some_and(|host| !host.is_empty())
        && uri.path() == "/"
        && uri.query().is_none()
        && uri.authority().is_some_and(|authority| !authority.as_str().contains('@'));
    if !plain {
        return Err(wrong());
    }
    let endpoint = Endpoint::from_shared(url.to_owned()).map_err(|_| wrong())?;
    endpoint
        .connect_timeout(CONNECTING)
        .timeout(ANSWERING)
        .user_agent(concat!("smaragdined/", env!("CARGO_PKG_VERSION")))
        .map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_tells_only_what_the_option_leaves_open() {
        let variable = |name: &str| match name {
            "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT" => Some(" ".to_owned()),
            "OTEL_EXPORTER_OTLP_ENDPOINT" => Some("http://collector:4317".to_owned()),
            _ => None,
        };
        assert_eq!(url("http://[::1]:9", variable), "http://[::1]:9");
        assert_eq!(url("", variable), "http://collector:4317");
        assert_eq!(url("", |_| None), "http://localhost:4317");
    }

    #[test]
    fn an_address_that_nobody_has_is_refused_with_what_to_write() {
        for wrong in
            ["localhost:4317", "http://", "ftp://a", "http://a/v1/metrics", "http://a?b", "http://u:p@a", "\n", "a"]
        {
            let told = parse_url(wrong).unwrap_err();
            assert!(told.contains("write http://localhost:4317"), "{wrong}: {told}");
        }
        assert!(parse_url("https://a:4317").unwrap_err().contains("plain gRPC"));
        assert_eq!(parse_url("http://a:4317").as_deref(), Ok("http://a:4317"));
    }
}
