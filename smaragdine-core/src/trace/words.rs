//! Vocabularies: the words that a column or a field of a trace may hold.

/// An enum of words, each with what it means: names, parsing, serde and the schema are made of this one list.
macro_rules! words {
    (
        $(#[doc = $about:literal])+
        pub enum $name:ident {
            $($(#[doc = $meaning:literal])+ $variant:ident = $word:literal,)+
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, ::serde::Serialize, ::serde::Deserialize)]
        pub enum $name {
            $($(#[doc = $meaning])+ #[serde(rename = $word)] $variant,)+
        }

        impl $name {
            pub const ALL: [Self; [$($word),+].len()] = [$(Self::$variant),+];

            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }

            #[must_use]
            pub fn parse(name: &str) -> Option<Self> {
                match name {
                    $($word => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }

        impl ::schemars::JsonSchema for $name {
            fn schema_name() -> ::std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut ::schemars::SchemaGenerator) -> ::schemars::Schema {
                let meanings = [$(($word, concat!($($meaning),+).trim())),+];
                $crate::trace::words::schema(concat!($($about),+).trim(), &meanings)
            }
        }
    };
}

pub(crate) use words;

/// A vocabulary in JSON Schema: `enum` has the words in order, `meanings` what each says.
pub(crate) fn schema(about: &str, meanings: &[(&str, &str)]) -> schemars::Schema {
    let words: Vec<&str> = meanings.iter().map(|(word, _)| *word).collect();
    let meanings: std::collections::BTreeMap<_, _> = meanings.iter().copied().collect();
    schemars::json_schema!({ "description": about, "type": "string", "enum": words, "meanings": meanings })
}

#[cfg(test)]
mod tests {
    use crate::trace::Entry;

    #[test]
    fn a_word_is_written_as_it_is_named_and_read_again() {
        for entry in Entry::ALL {
            assert_eq!(Entry::parse(entry.name()), Some(entry));
            let json = serde_json::to_string(&entry).unwrap();
            assert_eq!(json, format!("{:?}", entry.name()));
            assert_eq!(serde_json::from_str::<Entry>(&json).unwrap(), entry);
        }
        assert_eq!(Entry::parse("something else"), None);
    }
}
