//! File names in a target directory: which file is a service's, and which service is a file's?
//!
//! A service may have any name, a file may not. So of the name's bytes only `a-z`, `0-9`, `-`, `_`
//! and `.` stand for themselves; each other one is `%` and two hex digits in lower case, and so is
//! a first byte that would hide the file, make it look like an option, or begin the name of a
//! Windows device (`con`, `con.x`). Then comes `.json`, which `file_sd_configs` reads:
//!
//! ```text
//! node_exporter   node_exporter.json
//! API             %41%50%49.json         names that differ in case alone never meet
//! ..              %2e..json
//! a b             a%20b.json
//! ```
//!
//! A name that would get longer than 200 bytes is cut: the first 100 bytes of it at most (no
//! escape is cut), `~`, and the SHA-256 of the service in hex. Such a file name does not say the
//! whole service, but the label `job` in the file does. All others are read back by undoing the
//! escapes.

use std::fmt;

use sha2::{Digest, Sha256};

const ENDING: &str = ".json";

/// The longest file name, in bytes. File systems take 255: the rest is for what backups and
/// copies add to names.
pub const LONGEST: usize = 200;

/// How much of an encoded service stands before the digest, in bytes.
const KEPT: usize = 100;

/// Stands between the two; in no other file name.
const MARK: char = '~';

/// Of a digest in hex.
const DIGITS: usize = 64;

/// The name of a service's file, without a directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileName(Box<str>);

/// What a file name says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// The service.
    Service(String),
    /// Only that the service has a long name: the manifest and the label `job` tell it.
    Digest,
}

impl FileName {
    /// The file of `service`. No two services have the same, not even where file names that
    /// differ in case are one.
    #[must_use]
    pub fn encode(service: &str) -> Self {
        let mut name = escaped(service.as_bytes());
        // The empty name, which no service has, must not make a hidden file.
        if name.is_empty() || name.len() + ENDING.len() > LONGEST {
            name.truncate(cut(&name));
            name.push(MARK);
            for byte in Sha256::digest(service) {
                push_hex(&mut name, byte);
            }
        }
        name.push_str(ENDING);
        Self(name.into())
    }

    /// The service of the file called `name`; `None` if no service's file is.
    #[must_use]
    pub fn decode(name: &str) -> Option<Decoded> {
        let stem = name.strip_suffix(ENDING)?;
        match stem.split_once(MARK) {
            None => {
                let service = String::from_utf8(unescaped(stem)?).ok()?;
                (Self::encode(&service).as_str() == name).then_some(Decoded::Service(service))
            }
            Some((start, digest)) => {
                let is_cut = is_cut(start) || Self::encode("").as_str() == name;
                (is_cut && is_digest(digest)).then_some(Decoded::Digest)
            }
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn escaped(service: &[u8]) -> String {
    let mut name = String::with_capacity(service.len() + MARK.len_utf8() + DIGITS + ENDING.len());
    for (at, &byte) in service.iter().enumerate() {
        if is_plain(byte) && !(at == 0 && is_special(service)) {
            name.push(char::from(byte));
        } else {
            name.push('%');
            push_hex(&mut name, byte);
        }
    }
    name
}

fn is_plain(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.')
}

/// Whether a name that begins so means more than itself.
fn is_special(service: &[u8]) -> bool {
    let stem = service.split(|&byte| byte == b'.').next().unwrap_or_default();
    match stem {
        [] | [b'-', ..] | b"con" | b"prn" | b"aux" | b"nul" => true,
        [b'c', b'o', b'm', digit] | [b'l', b'p', b't', digit] => digit.is_ascii_digit(),
        _ => false,
    }
}

/// How much of an encoded name is kept before a digest.
fn cut(name: &str) -> usize {
    let kept = &name[..name.len().min(KEPT)];
    let begun = kept.rfind('%').filter(|at| at + 3 > kept.len());
    begun.unwrap_or(kept.len())
}

/// Whether `start` is what a cut leaves of some long name.
fn is_cut(start: &str) -> bool {
    let is_utf8 = |bytes: &[u8]| {
        // A character may have been cut, but none in the middle is broken.
        str::from_utf8(bytes).err().is_none_or(|error| error.error_len().is_none())
    };
    (KEPT - 2..=KEPT).contains(&start.len())
        && unescaped(start).is_some_and(|bytes| is_utf8(&bytes) && escaped(&bytes) == start)
}

fn is_digest(text: &str) -> bool {
    text.len() == DIGITS && text.bytes().all(|byte| hex(byte).is_some())
}

/// The bytes that an encoded name stands for, be it one that [`escaped`] would not make.
fn unescaped(name: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => hex(rest.next()?)? << 4 | hex(rest.next()?)?,
            plain => plain,
        });
    }
    Some(bytes)
}

fn push_hex(text: &mut String, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    for digit in [byte >> 4, byte & 0xf] {
        text.push(char::from(HEX[usize::from(digit)]));
    }
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encode(service: &str) -> String {
        FileName::encode(service).as_str().to_owned()
    }

    fn service(name: &str) -> Option<String> {
        match FileName::decode(name)? {
            Decoded::Service(service) => Some(service),
            Decoded::Digest => None,
        }
    }

    #[test]
    fn each_service_has_the_file_name_that_the_rule_says_and_is_read_back_from_it() {
        for (of, name) in [
            ("node_exporter", "node_exporter.json"),
            ("api-2.eu", "api-2.eu.json"),
            ("a.json", "a.json.json"),
            ("api", "api.json"),
            ("API", "%41%50%49.json"),
            ("..", "%2e..json"),
            (".", "%2e.json"),
            (".hidden", "%2ehidden.json"),
            (".etcd-sd", "%2eetcd-sd.json"),
            ("-x", "%2dx.json"),
            ("--", "%2d-.json"),
            ("a b", "a%20b.json"),
            ("ünïcode", "%c3%bcn%c3%afcode.json"),
            ("con", "%63on.json"),
            ("con.x", "%63on.x.json"),
            ("CON", "%43%4f%4e.json"),
            ("com0", "%63om0.json"),
            ("lpt9.a.b", "%6cpt9.a.b.json"),
            ("console", "console.json"),
            ("com10", "com10.json"),
            ("x.con", "x.con.json"),
            ("\n\t\u{0}\u{7f}", "%0a%09%00%7f.json"),
            ("%41", "%2541.json"),
            ("~", "%7e.json"),
            ("*", "%2a.json"),
            ("[a]?", "%5ba%5d%3f.json"),
            ("a\\b:c|d", "a%5cb%3ac%7cd.json"),
            ("a/b", "a%2fb.json"),
        ] {
            assert_eq!(encode(of), name);
            assert_eq!(service(name).as_deref(), Some(of));
        }
    }

    #[test]
    fn a_name_that_would_get_too_long_is_cut_between_escapes_and_ends_in_its_digest() {
        let digest = |service: &str| {
            let name = encode(service);
            assert_eq!(FileName::decode(&name), Some(Decoded::Digest), "{name}");
            let (start, rest) = name.split_once('~').expect("a digest");
            assert_eq!(rest.len(), 64 + ENDING.len());
            start.to_owned()
        };
        let longest = "a".repeat(195);
        assert_eq!(service(&encode(&longest)), Some(longest));
        assert_eq!(digest(&"a".repeat(196)), "a".repeat(100));
        assert_eq!(digest(&"x".repeat(300)), "x".repeat(100));
        assert_eq!(digest(&"A".repeat(66)), "%41".repeat(33));
        assert_eq!(digest(&format!("aa{}", "A".repeat(65))), format!("aa{}", "%41".repeat(32)));
        assert_eq!(digest(&"ü".repeat(300)), format!("{}%c3", "%c3%bc".repeat(16)));
        assert_eq!(digest(""), "");
        // printf 'b%.0s' {1..196} | sha256sum
        assert_eq!(
            encode(&"b".repeat(196)),
            format!(
                "{}~09eed55ba906568676f94a7693bd12de63f0c2bd5ddaeb45e52b222cf3ca3c7f.json",
                "b".repeat(100)
            )
        );
    }

    #[test]
    fn a_file_name_that_no_service_has_says_nothing() {
        let digest = "0".repeat(64);
        let (kept, long) = ("a".repeat(100), "a".repeat(196));
        for name in [
            "",
            ".json",
            "api",
            "api.yml",
            "API.json",
            "..json",
            "-x.json",
            "con.json",
            "a b.json",
            "ü.json",
            "%61.json",
            "%2E..json",
            "%2.json",
            "%.json",
            "%zz.json",
            "%ff.json",
            "a/b.json",
            "../a.json",
            "~.json",
            &format!("~{digest}.json"),
            &format!("a~{digest}.json"),
            &format!("{kept}a~{digest}.json"),
            &format!("{kept}~{digest}0.json"),
            &format!("{kept}~{}.json", "F".repeat(64)),
            &format!("{kept}~{digest}~.json"),
            &format!("%80{}~{digest}.json", "a".repeat(97)),
            &format!("%61{}~{digest}.json", "a".repeat(97)),
            &format!("{long}.json"),
        ] {
            assert_eq!(FileName::decode(name), None, "{name}");
        }
    }

    /// Of few parts, so that names that nearly meet are frequent.
    fn services() -> impl Strategy<Value = String> {
        let parts = ["a", "A", "%", "41", "~", ".", "-", "é", "É", "con", "\n", "/", "*", "[", " "];
        let odd = prop::collection::vec(prop::sample::select(parts.to_vec()), 0..6);
        prop_oneof![
            4 => odd.prop_map(|parts| parts.concat()),
            1 => (".{0,9}", 1usize..40).prop_map(|(text, times)| text.repeat(times)),
            1 => any::<String>(),
        ]
    }

    proptest! {
        #[test]
        fn a_service_is_read_back_or_its_name_was_too_long(of in services()) {
            let name = encode(&of);
            match FileName::decode(&name) {
                Some(Decoded::Service(back)) => prop_assert_eq!(back, of),
                Some(Decoded::Digest) => prop_assert!(of.is_empty() || of.len() * 3 > 195),
                None => prop_assert!(false, "{}", name),
            }
        }

        #[test]
        fn no_two_services_share_a_file_also_where_case_does_not_count(
            one in services(), other in services(),
        ) {
            prop_assume!(one != other);
            prop_assert_ne!(encode(&one).to_lowercase(), encode(&other).to_lowercase());
            prop_assert_eq!(encode(&one).to_lowercase(), encode(&one));
        }

        #[test]
        fn a_file_name_is_short_and_plain_and_one_that_prometheus_reads(of in services()) {
            let name = encode(&of);
            prop_assert!(name.len() <= LONGEST);
            prop_assert!(!name.starts_with(['.', '-']), "{}", name);
            prop_assert!(name.ends_with(ENDING) && name != ENDING);
            let plain = |byte: u8| is_plain(byte) || matches!(byte, b'%' | b'~');
            prop_assert!(name.bytes().all(plain), "{}", name);
            let stem = name.split('.').next().unwrap_or_default();
            prop_assert!(!["con", "prn", "aux", "nul", "com1", "lpt1"].contains(&stem));
        }

        #[test]
        fn what_is_read_from_a_file_name_makes_that_file_name(
            stem in "[a-c.%~46-]{0,8}|(%[0-9a-f]{2}){0,4}",
        ) {
            let name = format!("{stem}.json");
            if let Some(of) = service(&name) {
                prop_assert_eq!(encode(&of), name);
            }
        }
    }
}
