//! Cursors: where a page ended, as text of which nobody need know what it says.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::refusal::Refusal;

/// A place as text.
pub(super) fn write(place: &impl Serialize) -> String {
    let json = serde_json::to_vec(place)
        .unwrap_or_else(|error| unreachable!("places are texts and numbers: {error}"));
    URL_SAFE_NO_PAD.encode(json)
}

/// The place that a text stands for, if there is one.
pub(super) fn read<P: DeserializeOwned>(text: Option<&str>) -> Result<Option<P>, Refusal> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    let place = URL_SAFE_NO_PAD.decode(text).ok();
    let place = place.and_then(|json| serde_json::from_slice(&json).ok());
    place.map(Some).ok_or_else(|| {
        Refusal::bad_request("after is not what an earlier answer had as its next; leave it away")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::query::{InstancePlace, QuarantinePlace};

    #[test]
    fn a_cursor_stands_for_its_place_and_other_text_for_none() {
        let place = InstancePlace { parent: "a/\"b\"\u{0}".into(), name: Some("ü".into()) };
        let read = read::<(usize, Option<InstancePlace>)>;
        let text = write(&(1, Some(&place)));
        assert_eq!(read(Some(&text)).expect("a cursor"), Some((1, Some(place))));
        assert_eq!(read(None).expect("none"), None);
        for text in ["!", "e30", "W10"] {
            read(Some(text)).expect_err(text);
        }
        let key = (0, Some(QuarantinePlace::Key(b"/s/\xff".into())));
        let again = super::read(Some(&write(&key))).expect("a cursor");
        assert_eq!(again, Some(key));
    }
}
