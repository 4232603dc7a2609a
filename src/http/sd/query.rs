//! What is asked for: of which services, of which shard.

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use axum::extract::Query;
use axum::http::Uri;

use crate::core::render::Document;
use crate::core::shard::Shard;

/// Each number of shards costs a share of the work, and of memory.
const MOST_SHARDS: u32 = 1_000;

/// A choice among the targets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Selection {
    /// Of these services only; of all, if there are none.
    pub(super) services: BTreeSet<String>,
    /// Of this shard only.
    pub(super) shard: Option<Shard>,
}

impl Selection {
    /// Reads `service=a&service=b&shard=0&of=3`. What is not understood is refused: who asks for
    /// something else than what he gets would not notice.
    pub(super) fn parse(query: &str) -> Result<Self, String> {
        let uri = Uri::builder().path_and_query(format!("/?{query}")).build();
        let uri = uri.map_err(|_| "the query can't be read".to_owned())?;
        let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(&uri)
            .map_err(|error| format!("the query can't be read: {error}"))?;
        let (mut services, mut index, mut of) = (BTreeSet::new(), None, None);
        for (name, value) in pairs {
            match &*name {
                "service" if value.is_empty() => {
                    return Err("service= names no service; leave it away for all".into());
                }
                "service" => {
                    services.insert(value);
                }
                "shard" => set(&mut index, "shard", &value)?,
                "of" => set(&mut of, "of", &value)?,
                other => {
                    let other: String = other.chars().take(40).collect();
                    return Err(format!(
                        "there is no parameter {other:?}; what can be asked for is service=NAME, \
                         which may be repeated, and shard=INDEX&of=COUNT"
                    ));
                }
            }
        }
        let shard = match (index, of) {
            (None, None) => None,
            (Some(_), None) => {
                return Err("shard without of: of how many? Give shard=0&of=3".into());
            }
            (None, Some(_)) => return Err("of without shard: which one? Give shard=0&of=3".into()),
            (Some(_), Some(of)) if of > MOST_SHARDS => {
                return Err(format!("of={of}: no more than {MOST_SHARDS} shards can be asked for"));
            }
            (Some(index), Some(of)) => Some(
                Shard::new(index, of).map_err(|error| format!("shard={index}&of={of}: {error}"))?,
            ),
        };
        Ok(Self { services, shard })
    }

    /// The same of a document that has the targets of `ours` alone, if that is given.
    pub(super) fn within(self, ours: Option<Shard>) -> Result<Self, String> {
        match (self.shard, ours) {
            (Some(asked), Some(ours)) if asked != ours => Err(format!(
                "shard={}&of={} can't be had here: etcd-sd runs with --shard {ours}, and knows no \
                 other targets; ask without shard, or start it without --shard",
                asked.index(),
                asked.of()
            )),
            (_, Some(_)) => Ok(Self { shard: None, ..self }),
            (_, None) => Ok(self),
        }
    }

    /// How many shards there are to be, if it is of one.
    pub(super) fn shards(&self) -> Option<NonZeroU32> {
        self.shard.map(Shard::of)
    }

    /// What is chosen of the services in a document.
    pub(super) fn of(&self, document: Document) -> Document {
        if self.services.is_empty() {
            return document;
        }
        document.picked(self.services.iter().map(String::as_str))
    }
}

fn set(number: &mut Option<u32>, name: &str, value: &str) -> Result<(), String> {
    if number.is_some() {
        return Err(format!("{name} is given twice"));
    }
    let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    let parsed = value.parse().ok().filter(|_| digits);
    *number = Some(parsed.ok_or_else(|| format!("{name} is no whole number; give shard=0&of=3"))?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_and_a_shard_can_be_asked_for() {
        let selection = Selection::parse("service=b&service=a%20b&shard=1&of=3").expect("valid");
        assert_eq!(selection.services, ["a b".to_owned(), "b".to_owned()].into());
        assert_eq!(selection.shard, Shard::new(1, 3).ok());
        assert_eq!(Selection::parse(""), Ok(Selection::default()));
        assert!(Selection::parse("service=%C3%A9").expect("valid").services.contains("é"));
    }

    #[test]
    fn what_is_not_understood_is_refused_with_what_can_be_asked() {
        for (query, needles) in [
            ("services=a", &["\"services\"", "service=NAME", "shard=INDEX&of=COUNT"][..]),
            ("service=", &["no service"]),
            ("shard=1", &["of how many", "shard=0&of=3"]),
            ("of=3", &["which one"]),
            ("shard=3&of=3", &["the last is 2"]),
            ("shard=0&of=0", &["0 shards"]),
            ("shard=x&of=3", &["shard is no whole number"]),
            ("shard=-1&of=3", &["shard is no whole number"]),
            ("shard=0&shard=1&of=3", &["twice"]),
            ("shard=0&of=1001", &["1000"]),
            ("x", &["\"x\""]),
        ] {
            let error = Selection::parse(query).expect_err(query);
            for needle in needles {
                assert!(error.contains(needle), "{query}: {needle} is not in: {error}");
            }
        }
    }

    #[test]
    fn a_daemon_of_one_shard_has_no_other() {
        let ours = Shard::new(1, 3).ok();
        let ask = |query| Selection::parse(query).expect("valid").within(ours);
        assert_eq!(ask("shard=1&of=3"), Ok(Selection::default()));
        assert_eq!(ask(""), Ok(Selection::default()));
        for other in ["shard=0&of=3", "shard=1&of=4"] {
            assert!(ask(other).expect_err("another").contains("--shard 1/3"));
        }
    }
}
