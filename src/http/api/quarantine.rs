//! `/api/v1/quarantine`.

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use super::bounds::Asked;
use super::refusal::Refusal;
use super::{cursor, shown};
use crate::core::event::Revision;
use crate::core::query::{HeldOut, QuarantinePlace, QuarantineQuery};
use crate::http::Context;

/// Some of the entries that are held out.
#[derive(Serialize)]
pub(super) struct Quarantine {
    entries: Vec<Entry>,
    total: usize,
    next: Option<String>,
}

#[derive(Serialize)]
struct Entry {
    #[serde(flatten)]
    key: shown::Key,
    service: Option<String>,
    instance: Option<String>,
    revision: Revision,
    reason: String,
    keeps_last_good: bool,
}

/// Which entries are held out, and why.
pub(super) async fn list(
    State(context): State<Context>,
    asked: Asked,
) -> Result<Json<Quarantine>, Refusal> {
    let wanted = asked.limit()?;
    let begin: Option<(usize, Option<QuarantinePlace>)> = cursor::read(asked.after.as_deref())?;
    let (mut at, mut after) = begin.unwrap_or_default();
    let mut turn = context.inspected.turn().await?;
    let sources = turn.sources();
    let mut total = 0;
    for source in sources {
        // No rows, only how many there are.
        let none = QuarantineQuery { after: None, limit: 0 };
        total += turn.quarantine(source, none).await?.total;
    }
    let mut entries = Vec::new();
    while let Some(source) = sources.get(at) {
        let query = QuarantineQuery { after, limit: wanted - entries.len() };
        let page = turn.quarantine(source, query).await?;
        entries.extend(page.rows.into_iter().map(Entry::from));
        after = page.next;
        at += usize::from(after.is_none());
        if entries.len() >= wanted || turn.is_over() {
            break;
        }
    }
    let next = (at < sources.len()).then(|| cursor::write(&(at, after)));
    Ok(Json(Quarantine { entries, total, next }))
}

impl From<HeldOut> for Entry {
    fn from(row: HeldOut) -> Self {
        let HeldOut { key, name, revision, reason, keeps_last_good } = row;
        let (service, instance) = name.unzip();
        let (key, reason) = (key.into(), reason.to_string());
        Self { key, service, instance, revision, reason, keeps_last_good }
    }
}
