//! `/api/v1/value`: what etcd holds at one key, with `--expose-values`.

use axum::Json;
use axum::extract::State;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use super::bounds::Asked;
use super::refusal::Refusal;
use super::shown;
use crate::core::event::Revision;
use crate::http::Context;

/// What a key holds.
#[derive(Serialize)]
pub(super) struct Value {
    #[serde(flatten)]
    key: shown::Key,
    revision: Revision,
    /// `None` if it is no text.
    #[serde(rename = "value")]
    text: Option<String>,
    /// Its bytes then.
    #[serde(rename = "value_base64", skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
}

/// Reads it from etcd. It may be newer than what is published.
pub(super) async fn value(
    State(context): State<Context>,
    asked: Asked,
) -> Result<Json<Value>, Refusal> {
    if !context.settings.expose_values {
        let error = "not allowed: values may hold secrets; start etcd-sd with --expose-values";
        return Err(Refusal::forbidden(error));
    }
    let key = match (asked.key, asked.key_base64) {
        (Some(key), None) => key.into_bytes(),
        (None, Some(text)) => {
            let bytes = STANDARD.decode(text);
            bytes.map_err(|_| Refusal::bad_request("key_base64 is no base64"))?
        }
        _ => return Err(Refusal::bad_request("give either key or key_base64: which key?")),
    };
    let found = context.inspected.value(key).await?;
    let found =
        found.ok_or_else(|| Refusal::not_found("etcd holds nothing at this key any more"))?;
    let (text, base64) = match String::from_utf8(found.value) {
        Ok(text) => (Some(text), None),
        Err(error) => (None, Some(STANDARD.encode(error.as_bytes()))),
    };
    Ok(Json(Value { key: found.key.into(), revision: found.mod_revision, text, base64 }))
}
