//! Whom metrics are about: the machine, the daemon, and what OpenTelemetry's own variables say of them.

use std::collections::BTreeMap;

/// What of the environment matters; `None`: not set.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    pub host_name: String,
    /// `OTEL_RESOURCE_ATTRIBUTES`: `key=value,key=value`, per cent encoded.
    pub resource_attributes: Option<String>,
    /// `OTEL_SERVICE_NAME`
    pub service_name: Option<String>,
}

impl Environment {
    /// Of this process and its machine.
    #[must_use]
    pub fn here() -> Self {
        let variable = |name| std::env::var(name).ok().filter(|text| !text.is_empty());
        Self {
            host_name: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            resource_attributes: variable("OTEL_RESOURCE_ATTRIBUTES"),
            service_name: variable("OTEL_SERVICE_NAME"),
        }
    }

    /// Attributes of the resource, in the order of their names.
    ///
    /// # Errors
    /// In words, where `OTEL_RESOURCE_ATTRIBUTES` is not what it should be.
    pub(super) fn attributes(&self) -> Result<Vec<(String, String)>, String> {
        let mut attributes = BTreeMap::from([
            ("host.name".to_owned(), self.host_name.clone()),
            ("service.name".to_owned(), "smaragdined".to_owned()),
            ("service.version".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
        ]);
        let told = self.resource_attributes.as_deref().unwrap_or_default();
        for pair in told.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            let wrong = || {
                format!("OTEL_RESOURCE_ATTRIBUTES has `{pair}`; write key=value,key=value, and other characters as %2C")
            };
            let (key, value) = pair.split_once('=').ok_or_else(wrong)?;
            let (key, value) = (decoded(key.trim()).ok_or_else(wrong)?, decoded(value.trim()).ok_or_else(wrong)?);
            if key.is_empty() {
                return Err(wrong());
            }
            attributes.insert(key, value);
        }
        attributes.extend(self.service_name.clone().map(|name| ("service.name".to_owned(), name)));
        Ok(attributes.into_iter().collect())
    }
}

/// Undoes the encoding by per cent; `None` where it is none, or no text comes of it.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                (digit()? * 16 + digit()?) as u8
            }
            _ => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attributes(resource_attributes: &str, service_name: Option<&str>) -> Result<Vec<(String, String)>, String> {
        let environment = Environment {
            host_name: "node1".to_owned(),
            resource_attributes: Some(resource_attributes.to_owned()),
            service_name: service_name.map(str::to_owned),
        };
        environment.attributes()
    }

    #[test]
    fn what_the_environment_says_of_the_service_holds() {
        let told = attributes("rack = a%2Cb%C3%A9 ,host.name=other,service.name=x,", Some("energy")).unwrap();
        let told: Vec<_> = told.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        let version = ("service.version", env!("CARGO_PKG_VERSION"));
        assert_eq!(told, [("host.name", "other"), ("rack", "a,bé"), ("service.name", "energy"), version]);
    }

    #[test]
    fn attributes_that_are_none_are_refused_in_words() {
        for wrong in ["rack", "=a", "a=%2", "a=%zz", "a=%ff"] {
            assert!(attributes(wrong, None).unwrap_err().contains("write key=value"), "{wrong}");
        }
    }
}
