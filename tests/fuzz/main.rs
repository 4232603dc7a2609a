//! Mutated keys and values, under every preset, by many patterns: never a panic, never a
//! document that says anything else than what was admitted.
//!
//! `corpus/` holds what to begin with, one file a case: values and keys as programs write
//! them, hostile ones, and what once broke something. They run as they are, then mutated for
//! as long as `FUZZ_SECONDS` says, a fraction of a second by default; `tests/run` gives a
//! minute. A case that fails says its seed: `FUZZ_SEED` set to that begins with it.

// A test that meets what it did not expect ends there, and says so on its output.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod corpus;
mod holds;
mod mutate;
mod prometheus;
mod schemas;

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use etcd_sd::core::format::template::Template;
use etcd_sd::core::key::Key;
use etcd_sd::core::pattern::Pattern;
use etcd_sd::core::schema::Schema;
use fastrand::Rng;

use schemas::Case;

/// Runs cases for as long as is wanted, each from a seed of its own.
fn fuzz(run: impl Fn(&mut Rng)) {
    let seconds = std::env::var("FUZZ_SECONDS").map_or(0.3, |text| text.parse().unwrap());
    let given = std::env::var("FUZZ_SEED").ok().map(|text| text.parse().unwrap());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let first: u64 = given.unwrap_or(u64::from(now.subsec_nanos()) << 24);
    let end = Instant::now() + Duration::from_secs_f64(seconds);
    let mut cases = 0;
    while cases == 0 || Instant::now() < end {
        let seed = first.wrapping_add(cases);
        let told = Told { seed };
        run(&mut Rng::with_seed(seed));
        drop(told);
        cases += 1;
    }
    eprintln!("{cases} cases");
}

/// Says the seed if the case panics.
struct Told {
    seed: u64,
}

impl Drop for Told {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("FUZZ_SEED={} runs this case again, as the first one", self.seed);
        }
    }
}

#[test]
fn what_is_in_the_corpus_is_read_by_every_format_without_harm() {
    let (values, keys) = (corpus::values(), corpus::keys());
    for case in schemas::all() {
        for value in &values {
            case.holds(&[(case.key(0), value.clone())]);
        }
        for key in &keys {
            case.holds(&[(key.clone(), case.value.clone())]);
        }
    }
}

#[test]
fn whatever_the_values_the_document_says_what_was_admitted() {
    let (cases, values) = (schemas::all(), corpus::values());
    fuzz(|rng| {
        let case = rng.choice(&cases).unwrap();
        let entries = (0..rng.usize(1..5)).map(|number| {
            let known = if rng.u8(..4) == 0 { &case.value } else { rng.choice(&values).unwrap() };
            (case.key(number), mutate::mutated(known, &values, rng))
        });
        case.holds(&entries.collect::<Vec<_>>());
    });
}

#[test]
fn whatever_the_keys_the_document_says_what_was_admitted() {
    let (cases, keys, values) = (schemas::all(), corpus::keys(), corpus::values());
    fuzz(|rng| {
        let case = rng.choice(&cases).unwrap();
        let entries = (0..rng.usize(1..5)).map(|number| {
            let known =
                if rng.bool() { case.key(number) } else { rng.choice(&keys).unwrap().clone() };
            let value = if rng.u8(..4) > 0 { &case.value } else { rng.choice(&values).unwrap() };
            (mutate::mutated(&known, &keys, rng), value.clone())
        });
        case.holds(&entries.collect::<Vec<_>>());
    });
}

#[test]
fn whatever_the_pattern_a_key_is_read_back_from_what_it_says() {
    let (cases, keys) = (schemas::all(), corpus::keys());
    let patterns: Vec<_> =
        cases.iter().map(|case| case.schema.pattern.as_str().as_bytes().to_vec()).collect();
    fuzz(|rng| {
        let text = mutate::mutated(rng.choice(&patterns).unwrap(), &patterns, rng);
        let text = String::from_utf8_lossy(&text);
        // Rules are texts with braces as well.
        let _ = Template::parse(&text);
        let Ok(pattern) = Pattern::parse(&text) else { return };
        let schema = Schema { meta_labels: rng.bool(), ..Schema::of(pattern) };
        let case = Case::new(schema, b"10.0.0.1:80");
        let keys = [filled(&text).into_bytes(), rng.choice(&keys).unwrap().clone()];
        let entries = keys.map(|key| (key, case.value.clone()));
        case.holds(&entries);
    });
}

#[test]
fn no_key_is_matched_by_two_patterns_that_are_said_not_to_overlap() {
    let (cases, keys) = (schemas::all(), corpus::keys());
    let patterns: Vec<_> =
        cases.iter().map(|case| case.schema.pattern.as_str().as_bytes().to_vec()).collect();
    fuzz(|rng| {
        let known = rng.choice(&patterns).unwrap();
        let texts = [(); 2].map(|()| {
            let text = mutate::mutated(known, &patterns, rng);
            // Both are read at once, at every pair of places.
            String::from_utf8_lossy(&text[..text.len().min(200)]).into_owned()
        });
        let [Ok(one), Ok(other)] = texts.each_ref().map(|text| Pattern::parse(text)) else {
            return;
        };
        let overlap = one.overlaps(&other);
        assert_eq!(overlap, other.overlaps(&one), "{texts:?}");
        assert!(one.overlaps(&one) && other.overlaps(&other), "{texts:?}");
        for text in &texts {
            let key = filled(text).into_bytes();
            for key in [mutate::mutated(&key, &keys, rng), key] {
                let is_of =
                    |pattern: &Pattern| matches!(pattern.classify(&key), Key::Instance { .. });
                let both = is_of(&one) && is_of(&other);
                assert!(overlap || !both, "{texts:?} both match {}", key.escape_ascii());
            }
        }
    });
}

/// A key that such a pattern may well match: placeholders are replaced by a text.
fn filled(pattern: &str) -> String {
    let mut key = String::new();
    let mut rest = pattern;
    while let Some((before, braced)) = rest.split_once('{') {
        let (name, after) = braced.split_once('}').unwrap_or((braced, ""));
        key.push_str(before);
        key.push_str(name.split_once('=').map_or("10.0.0.1:80", |(_, fixed)| fixed));
        rest = after;
    }
    key + rest
}
