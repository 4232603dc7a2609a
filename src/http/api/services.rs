//! `/api/v1/services` and `/api/v1/services/{name}`.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tokio::task::spawn_blocking;

use super::bounds::Asked;
use super::refusal::Refusal;
use super::{cursor, shown};
use crate::core::event::Revision;
use crate::core::query::{Instance, InstancePlace, InstancesQuery, Search, Standing};
use crate::core::render::{Document, Piece};
use crate::http::Context;

/// Some of the services that are published.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Services {
    #[serde(rename = "services")]
    rows: Vec<Service>,
    /// How many there are with what is searched for.
    total: usize,
    next: Option<String>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Service {
    name: String,
    targets: usize,
}

/// A service and some of its instances.
#[derive(Serialize)]
struct OneService<'s> {
    name: &'s str,
    /// How many targets of it are published.
    targets: usize,
    instances: Vec<ShownInstance<'s>>,
    next: Option<String>,
    /// Whether `/api/v1/value` gives raw values.
    values: bool,
}

#[derive(Serialize)]
struct ShownInstance<'i> {
    instance: &'i str,
    key: &'i str,
    revision: Revision,
    state: Standing,
    reason: Option<String>,
    target: Option<shown::Target<'i>>,
}

/// Which services there are.
pub(super) async fn list(
    State(context): State<Context>,
    asked: Asked,
) -> Result<Json<Services>, Refusal> {
    let (limit, search) = (asked.limit()?, asked.search()?);
    let after: Option<String> = cursor::read(asked.after.as_deref())?;
    let published = context.observer.board.published().ok_or_else(Refusal::no_list)?;
    // There may be a million.
    let found = spawn_blocking(move || {
        services(&published.document, search.as_ref(), after.as_deref(), limit)
    });
    let found = found.await;
    found.map(Json).map_err(|_| Refusal::unavailable("the daemon is stopping"))
}

/// One service, named in the path.
pub(super) async fn by_path(
    state: State<Context>,
    name: Result<Path<String>, PathRejection>,
    asked: Asked,
) -> Result<Response, Refusal> {
    let Path(name) =
        name.map_err(|_| Refusal::bad_request("the name in the path is no percent-encoded UTF-8"))?;
    one(state.0, &name, &asked).await
}

/// One service, named in the query: of whatever name, also `.` and `..`, which no path can have.
pub(super) async fn by_query(state: State<Context>, asked: Asked) -> Result<Response, Refusal> {
    let name = asked.name.clone().filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| Refusal::bad_request("name is missing: which service?"))?;
    one(state.0, &name, &asked).await
}

async fn one(context: Context, name: &str, asked: &Asked) -> Result<Response, Refusal> {
    let (limit, search) = (asked.limit()?, asked.search()?);
    let begin: Option<(usize, Option<InstancePlace>)> = cursor::read(asked.after.as_deref())?;
    let is_first = begin.is_none() && search.is_none();
    let published = context.observer.board.published();
    let piece = published.as_ref().and_then(|published| published.document.piece(name));
    let targets = piece.map_or(0, Piece::targets);
    let (rows, next) = instances(&context, name, search, begin.unwrap_or_default(), limit).await?;
    if is_first && rows.is_empty() && next.is_none() && targets == 0 {
        return Err(Refusal::not_found("no service of this name is registered"));
    }
    let instances = rows.iter().map(ShownInstance::from).collect();
    let values = context.settings.expose_values;
    let answer =
        OneService { name, targets, instances, next: next.as_ref().map(cursor::write), values };
    Ok(Json(answer).into_response())
}

/// Where the next page begins: in which of the sources, and where there.
type Place = (usize, Option<InstancePlace>);

async fn instances(
    context: &Context,
    name: &str,
    search: Option<Search>,
    (mut at, mut after): Place,
    wanted: usize,
) -> Result<(Vec<Instance>, Option<Place>), Refusal> {
    let mut turn = context.inspected.turn().await?;
    let mut rows = Vec::new();
    let sources = turn.sources();
    while let Some(source) = sources.get(at) {
        let limit = wanted - rows.len();
        let query = InstancesQuery { service: name.into(), search: search.clone(), after, limit };
        let page = turn.instances(source, query).await?;
        rows.extend(page.rows);
        after = page.next;
        at += usize::from(after.is_none());
        if rows.len() >= wanted || turn.is_over() {
            break;
        }
    }
    Ok((rows, (at < sources.len()).then_some((at, after))))
}

fn services(
    document: &Document,
    search: Option<&Search>,
    after: Option<&str>,
    limit: usize,
) -> Services {
    let is_found = |name: &str| search.is_none_or(|search| search.is_in(name));
    let total = match search {
        None => document.services(),
        Some(_) => document.pieces().filter(|piece| is_found(piece.job())).count(),
    };
    let rest = document.pieces_after(after).iter().filter(|piece| is_found(piece.job()));
    let mut rest = rest.map(|piece| Service { name: piece.job().into(), targets: piece.targets() });
    let rows: Vec<_> = rest.by_ref().take(limit).collect();
    let last = rows.last().filter(|_| rest.next().is_some());
    let next = last.map(|last| cursor::write(&last.name));
    Services { rows, total, next }
}

impl<'i> From<&'i Instance> for ShownInstance<'i> {
    fn from(row: &'i Instance) -> Self {
        let Instance { key, instance, revision, standing, reason, target } = row;
        Self {
            instance,
            key,
            revision: *revision,
            state: *standing,
            reason: reason.as_ref().map(ToString::to_string),
            target: target.as_ref().map(shown::Target::from),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::event::Revision;

    #[test]
    fn services_come_in_pages_and_a_search_says_how_many_it_finds() {
        let group = |job| format!(r#"{{"targets":["h:1","h:2"],"labels":{{"job":"{job}"}}}}"#);
        let groups: Vec<_> = ["api", "db", "Web", "web-2", "web-3"].map(group).into();
        let text = format!("[{}]", groups.join(","));
        let document = Document::parse(text.as_bytes()).expect("a document");
        for limit in [1, 2, 100] {
            for (wanted, expected) in [
                ("", &["Web", "api", "db", "web-2", "web-3"][..]),
                ("WEB", &["Web", "web-2", "web-3"]),
                ("none", &[]),
            ] {
                let search = Search::new(wanted);
                let (mut names, mut after) = (Vec::new(), None::<String>);
                loop {
                    let page = services(&document, search.as_ref(), after.as_deref(), limit);
                    assert_eq!(page.total, expected.len());
                    assert!(page.rows.iter().all(|service| service.targets == 2));
                    names.extend(page.rows.into_iter().map(|service| service.name));
                    after = cursor::read(page.next.as_deref()).expect("a cursor");
                    if after.is_none() {
                        break;
                    }
                }
                assert_eq!(names, expected);
            }
        }
        let empty = services(&Document::new(Revision(1)), None, None, 10);
        assert_eq!(empty, Services { rows: Vec::new(), total: 0, next: None });
    }
}
