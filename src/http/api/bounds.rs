//! What a request may ask for: the parameters, and how much of everything.

use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use serde::Deserialize;

use super::refusal::Refusal;
use crate::core::query::Search;

/// Rows in an answer.
const MOST: usize = 1000;
const USUAL: usize = 100;

/// Bytes of a text that is searched for.
const LONGEST_SEARCH: usize = 200;

/// The parameters of all requests.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    /// A service, of one that is asked for.
    pub(super) name: Option<String>,
    /// A service, of which the changes are wanted.
    pub(super) service: Option<String>,
    pub(super) key: Option<String>,
    pub(super) key_base64: Option<String>,
    /// Where the last page ended.
    pub(super) after: Option<String>,
    search: Option<String>,
    limit: Option<String>,
}

impl Asked {
    /// How many rows are wanted.
    pub(super) fn limit(&self) -> Result<usize, Refusal> {
        let Some(text) = &self.limit else { return Ok(USUAL) };
        let limit = text.parse().ok().filter(|limit| (1..=MOST).contains(limit));
        limit.ok_or_else(|| Refusal::bad_request(format!("limit is no number from 1 to {MOST}")))
    }

    /// What the rows must have in them.
    pub(super) fn search(&self) -> Result<Option<Search>, Refusal> {
        let text = self.search.as_deref().unwrap_or_default();
        if text.len() > LONGEST_SEARCH {
            let error = format!("search has more than {LONGEST_SEARCH} bytes; give a part of it");
            return Err(Refusal::bad_request(error));
        }
        Ok(Search::new(text))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Asked {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let asked = Query::<Self>::from_request_parts(parts, state).await;
        let explained = |error: QueryRejection| {
            Refusal::bad_request(format!("the parameters can't be read: {}", error.body_text()))
        };
        asked.map(|Query(asked)| asked).map_err(explained)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_can_not_ask_for_more_than_a_page() {
        let asked = |limit: &str, search: &str| Asked {
            limit: Some(limit.into()),
            search: Some(search.into()),
            ..Asked::default()
        };
        assert_eq!(Asked::default().limit().expect("the usual"), USUAL);
        assert_eq!(asked("1000", "").limit().expect("the most"), 1000);
        for limit in ["0", "1001", "-1", "x", "", "99999999999999999999"] {
            asked(limit, "").limit().expect_err(limit);
        }
        assert!(asked("1", &"x".repeat(200)).search().expect("long enough").is_some());
        asked("1", &"x".repeat(201)).search().expect_err("too long");
    }
}
