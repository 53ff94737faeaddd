//! How a meter is named on the command line.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// The domain of a meter that is given no name.
const WALL: &str = "wall";

/// A meter, and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// `wall`, `meter-strip`
    pub domain: String,
    pub place: Place,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Lines of a file or a FIFO; `None`: of standard input.
    Stream(Option<PathBuf>),
    /// A resource of Redfish.
    Redfish(String),
    /// A program that prints what IPMI's DCMI tells.
    Ipmi(String),
}

const FORM: &str = "a meter is stream:PATH, stream:-, ipmi, ipmi:PROGRAM or the https:// address of a Redfish resource, \
                    and may be named: strip=stream:/run/strip";

/// `[NAME=]PLACE`
impl FromStr for Named {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (domain, place) = match text.split_once('=') {
            // An address may hold such a sign, too, but none comes before its scheme.
            Some((name, place)) if !name.contains([':', '/']) => (domain(name)?, place),
            _ => (WALL.to_owned(), text),
        };
        Ok(Self { domain, place: place.parse()? })
    }
}

fn domain(name: &str) -> Result<String, String> {
    let is_plain = |character: char| character.is_ascii_lowercase() || character.is_ascii_digit() || character == '-';
    if name.is_empty() || name.len() > 32 || !name.chars().all(is_plain) {
        return Err(format!("{name:?} is no name of a meter: up to 32 of a-z, 0-9 and -"));
    }
    Ok(if name == WALL { name.to_owned() } else { format!("meter-{name}") })
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let lower = text.to_ascii_lowercase();
        if lower.starts_with("http://") || lower.starts_with("https://") {
            return address(text).map(Self::Redfish);
        }
        match text.split_once(':') {
            Some(("stream", "-")) => Ok(Self::Stream(None)),
            Some(("stream", path)) if !path.is_empty() => Ok(Self::Stream(Some(path.into()))),
            Some(("ipmi", program)) if !program.is_empty() => Ok(Self::Ipmi(program.to_owned())),
            None if text == "ipmi" => Ok(Self::Ipmi("ipmitool".to_owned())),
            _ => Err(FORM.to_owned()),
        }
    }
}

fn address(text: &str) -> Result<String, String> {
    let authority = text.split_once("://").and_then(|(_, rest)| rest.split(['/', '?', '#']).next()).unwrap_or_default();
    if authority.contains('@') {
        return Err("no user and password in an address: they belong into a file, --meter-credentials".to_owned());
    }
    // Every user of this machine sees it, and it is told to another program as a line.
    if authority.is_empty() || text.chars().any(|character| character.is_control() || " \"\\".contains(character)) {
        return Err("that is no address".to_owned());
    }
    Ok(text.to_owned())
}

/// For messages.
impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stream(None) => write!(formatter, "standard input"),
            Self::Stream(Some(path)) => write!(formatter, "{}", path.display()),
            Self::Redfish(address) => write!(formatter, "{address}"),
            Self::Ipmi(program) => write!(formatter, "{program}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_meter_is_a_place_that_may_be_named() {
        let read = |text: &str| text.parse::<Named>().map(|named| (named.domain, named.place.to_string()));
        for (text, domain, place) in [
            ("stream:-", "wall", "standard input"),
            ("strip=stream:/run/a=b", "meter-strip", "/run/a=b"),
            ("ipmi", "wall", "ipmitool"),
            ("bmc=ipmi:/opt/ipmi-dcmi", "meter-bmc", "/opt/ipmi-dcmi"),
            ("https://bmc/redfish/v1/Chassis/1/Power?a=b", "wall", "https://bmc/redfish/v1/Chassis/1/Power?a=b"),
            ("wall=http://[::1]:8000/x", "wall", "http://[::1]:8000/x"),
        ] {
            assert_eq!(read(text), Ok((domain.to_owned(), place.to_owned())));
        }
    }

    #[test]
    fn what_is_none_is_refused_and_so_are_credentials_that_all_would_see() {
        for text in
            ["", "wall", "stream:", "ipmi:", "A=ipmi", "ftp://x", "http://", "https://a b", "https://x\n/", "=ipmi"]
        {
            assert!(text.parse::<Named>().is_err(), "{text:?}");
        }
        let refused = "https://root:calvin@bmc/redfish/v1".parse::<Named>().unwrap_err();
        assert!(refused.contains("--meter-credentials") && !refused.contains("calvin"), "{refused}");
    }
}
