//! Mutations: of bytes, of texts and of JSON.

use fastrand::Rng;
use serde_json::{Map, Value};

/// What means something to somebody: to JSON, to addresses, to keys, to Prometheus, to
/// whoever reads the document.
const TOKENS: &[&[u8]] = &[
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b"\\",
    b"\\\"",
    b":",
    b",",
    b"/",
    b"//",
    b"..",
    b"@",
    b" ",
    b"\n",
    b"\r\n",
    b"\t",
    b"\0",
    b"\x1b[31m",
    b"%",
    b"%{",
    b"%{PATH}",
    b"%25%7BPATH%7D",
    b"%2F",
    b"%zz",
    b"%C3",
    b"\\u0000",
    b"\\u0025\\u007b",
    b"\\ud800",
    b"\\u2028",
    b"\xff",
    b"\xc0\x80",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    "\u{feff}".as_bytes(),
    "\u{2028}".as_bytes(),
    "\u{85}".as_bytes(),
    "\u{202e}".as_bytes(),
    "\u{fffe}".as_bytes(),
    "\u{1f600}".as_bytes(),
    "e\u{301}".as_bytes(),
    b"0",
    b"-0",
    b"65535",
    b"65536",
    b"1e999",
    b"-1e-999",
    b"0.1e1",
    b"99999999999999999999",
    b"null",
    b"true",
    b"{}",
    b"[]",
    b"\"\"",
    b"http://",
    b"://",
    b"[::1]:80",
    b"::1",
    b"10.0.0.1:80",
    b"evil:1",
    b"\"},{\"targets\":[\"evil:1\"]",
    b"\"labels\":{\"job\":\"x\"}",
    b"\"labels\":{\"__address__\":\"evil:1\"}",
    b"__param_target",
    b"__scheme__",
    b"job",
    b"a.b",
    b"1a",
];

/// One to four mutations of `bytes`; some take pieces of `others`.
pub(crate) fn mutated(bytes: &[u8], others: &[Vec<u8>], rng: &mut Rng) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..rng.usize(1..5) {
        bytes = match rng.u8(..12) {
            0..4 => json(&bytes, others, rng).unwrap_or_else(|| inserted(&bytes, rng)),
            4 | 5 => inserted(&bytes, rng),
            6 => without(&bytes, rng),
            7 => flipped(bytes, rng),
            8 => swapped(&bytes, rng),
            9 => spliced(&bytes, rng.choice(others).unwrap(), rng),
            10 => doubled(&bytes, rng),
            _ => number(&bytes, rng),
        };
    }
    bytes
}

/// Two places, the first not behind the second.
fn range(bytes: &[u8], rng: &mut Rng) -> (usize, usize) {
    let (one, other) = (rng.usize(..=bytes.len()), rng.usize(..=bytes.len()));
    (one.min(other), one.max(other))
}

/// With a token, many of it now and then.
fn inserted(bytes: &[u8], rng: &mut Rng) -> Vec<u8> {
    let (at, _) = range(bytes, rng);
    let times = match rng.u8(..40) {
        0 => 5_000,
        1..4 => 200,
        4..8 => rng.usize(2..70),
        _ => 1,
    };
    let token = rng.choice(TOKENS).unwrap().repeat(times);
    [&bytes[..at], &token, &bytes[at..]].concat()
}

fn without(bytes: &[u8], rng: &mut Rng) -> Vec<u8> {
    let (from, to) = range(bytes, rng);
    [&bytes[..from], &bytes[to..]].concat()
}

fn flipped(mut bytes: Vec<u8>, rng: &mut Rng) -> Vec<u8> {
    if !bytes.is_empty() {
        let at = rng.usize(..bytes.len());
        bytes[at] ^= 1 << rng.u8(..8);
    }
    bytes
}

fn swapped(bytes: &[u8], rng: &mut Rng) -> Vec<u8> {
    let (from, to) = range(bytes, rng);
    let middle = rng.usize(from..=to);
    [&bytes[..from], &bytes[middle..to], &bytes[from..middle], &bytes[to..]].concat()
}

/// The beginning of the one and the end of the other.
fn spliced(bytes: &[u8], other: &[u8], rng: &mut Rng) -> Vec<u8> {
    let ((at, _), (_, from)) = (range(bytes, rng), range(other, rng));
    [&bytes[..at], &other[from..]].concat()
}

/// With a piece of it twice: a field, perhaps.
fn doubled(bytes: &[u8], rng: &mut Rng) -> Vec<u8> {
    let (from, to) = range(bytes, rng);
    [&bytes[..to], &bytes[from..]].concat()
}

/// With a number of another size.
fn number(bytes: &[u8], rng: &mut Rng) -> Vec<u8> {
    let Some(from) = bytes.iter().position(u8::is_ascii_digit) else {
        return inserted(bytes, rng);
    };
    let length = bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let other = match rng.u8(..3) {
        0 => rng.u64(..).to_string(),
        1 => format!("-{}", rng.u8(..)),
        _ => format!("{:e}", rng.f64() * 1e30),
    };
    [&bytes[..from], other.as_bytes(), &bytes[from + length..]].concat()
}

/// Another document of like shape, if it is JSON.
fn json(bytes: &[u8], others: &[Vec<u8>], rng: &mut Rng) -> Option<Vec<u8>> {
    let mut document: Value = serde_json::from_slice(bytes).ok()?;
    change(&mut document, others, rng);
    Some(document.to_string().into_bytes())
}

/// Changes it, or something in it.
fn change(node: &mut Value, others: &[Vec<u8>], rng: &mut Rng) {
    if rng.u8(..3) > 0 {
        match node {
            Value::Object(fields) if !fields.is_empty() => {
                let at = rng.usize(..fields.len());
                return fields
                    .values_mut()
                    .skip(at)
                    .take(1)
                    .for_each(|one| change(one, others, rng));
            }
            Value::Array(elements) if !elements.is_empty() => {
                let at = rng.usize(..elements.len());
                return change(&mut elements[at], others, rng);
            }
            _ => {}
        }
    }
    match (rng.u8(..8), &mut *node) {
        (0, Value::Object(fields)) => {
            let name = fields.keys().nth(rng.usize(..fields.len().max(1))).cloned();
            name.map(|name| fields.remove(&name));
        }
        (1..4, Value::Object(fields)) => {
            fields.insert(text(rng), leaf(others, rng));
        }
        (0..4, Value::Array(elements)) => {
            let more = rng.usize(..4);
            elements.extend((0..more).map(|_| leaf(others, rng)));
        }
        (4, _) => *node = nested(node.take(), rng),
        _ => *node = leaf(others, rng),
    }
}

/// In so many lists or objects.
fn nested(mut node: Value, rng: &mut Rng) -> Value {
    let most = if rng.u8(..8) == 0 { 150 } else { 4 };
    for _ in 0..rng.usize(1..most) {
        node = if rng.bool() {
            Value::Array(vec![node])
        } else {
            Value::Object(Map::from_iter([(text(rng), node)]))
        };
    }
    node
}

fn leaf(others: &[Vec<u8>], rng: &mut Rng) -> Value {
    match rng.u8(..8) {
        0 => Value::Null,
        1 => Value::Bool(rng.bool()),
        2 => Value::from(rng.i64(-2..70_000)),
        3 => Value::from(rng.f64() * 1e9),
        4 => serde_json::from_slice(rng.choice(others).unwrap()).unwrap_or_default(),
        _ => Value::from(text(rng)),
    }
}

fn text(rng: &mut Rng) -> String {
    let token = |rng: &mut Rng| String::from_utf8_lossy(rng.choice(TOKENS).unwrap()).into_owned();
    (0..rng.usize(1..3)).map(|_| token(rng)).collect()
}
