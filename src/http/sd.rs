//! `/sd`: the published document, as Prometheus' `http_sd_configs` wants it.
//!
//! Prometheus takes nothing but 200 with JSON and the full list; whatever else it gets, it keeps
//! the list that it has. So before the first complete list the answer is 503, and a question that
//! is not understood is refused: an empty list would be taken as the truth.
//!
//! | module | holds |
//! |---|---|
//! | `query` | what is asked for |
//! | `kept` | what was computed for one document, for all who ask |
//! | `body` | a document on its way, in frames |

mod body;
mod kept;
mod query;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue, VARY,
};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use super::Context;
use super::answer::text;
use crate::board::Published;
use body::DocumentBody;
use query::Selection;

pub(super) use kept::Kept;

/// The revision of etcd that the list is of.
const REVISION: HeaderName = HeaderName::from_static("x-etcd-sd-revision");

/// Less is not worth the while.
const WORTH_PACKING: usize = 1 << 10;

/// The targets that are asked for.
pub(super) async fn sd(
    State(context): State<Context>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let selection = Selection::parse(query.as_deref().unwrap_or_default());
    let selection = match selection.and_then(|selection| selection.within(context.settings.shard)) {
        Ok(selection) => selection,
        Err(why) => return text(StatusCode::BAD_REQUEST, &why),
    };
    let Some(published) = context.observer.board.published() else {
        let why = "no complete list of the registry has been published yet; see /-/ready for why. \
                   Prometheus keeps the targets that it has";
        return text(StatusCode::SERVICE_UNAVAILABLE, why);
    };
    match find(&context.kept, &published, selection, accepts_gzip(&headers)).await {
        Some(response) => response,
        None => text(StatusCode::SERVICE_UNAVAILABLE, "the daemon is stopping"),
    }
}

async fn find(
    kept: &Arc<Kept>,
    published: &Arc<Published>,
    selection: Selection,
    packed: bool,
) -> Option<Response> {
    let document = kept.document(published, &selection).await?;
    let revision = document.revision();
    let mut response = if packed && document.len() >= WORTH_PACKING {
        let bytes = kept.packed(published.number, document, selection).await?;
        let mut response = Response::new(Body::from(bytes));
        response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        response
    } else {
        Response::new(Body::new(DocumentBody::new(document)))
    };
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    headers.insert(REVISION, HeaderValue::from(revision.0));
    Some(response)
}

fn accepts_gzip(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(ACCEPT_ENCODING).iter();
    let accepted = accepted.filter_map(|accept| accept.to_str().ok());
    let mut any = false;
    for coding in accepted.flat_map(|accept| accept.split(',')) {
        let (name, parameters) = coding.split_once(';').unwrap_or((coding, ""));
        let quality = parameters.trim().strip_prefix("q=").map(str::parse::<f32>);
        let is_wanted = quality.is_none_or(|quality| quality.is_ok_and(|quality| quality > 0.0));
        match name.trim() {
            name if name.eq_ignore_ascii_case("gzip") => return is_wanted,
            "*" => any = is_wanted,
            _ => {}
        }
    }
    any
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_for_those_who_accept_it() {
        let accepts = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, value.parse().expect("a value"));
            accepts_gzip(&headers)
        };
        for yes in ["gzip", "deflate, GZIP;q=0.5", "*", "br;q=1.0, gzip;q=0.1, *;q=0"] {
            assert!(accepts(yes), "{yes}");
        }
        for no in ["", "identity", "gzip;q=0", "gzip;q=0, *", "*;q=0", "xgzip", "gzip;q=x"] {
            assert!(!accepts(no), "{no}");
        }
        assert!(!accepts_gzip(&HeaderMap::new()), "no wish is no gzip");
    }
}
