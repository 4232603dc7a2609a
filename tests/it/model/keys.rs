//! The keys and values that the model knows, and what the file should hold of them: written
//! down once more, without the daemon's code.

use std::fmt::Write as _;

use etcd_sd::core::entries::Counts;
use etcd_sd::core::event::{Change, KeyValue, Revision};

/// An index into [`NAMES`].
pub(super) type Key = usize;

pub(super) const KEYS: usize = 16;

/// In etcd's order, which is not that of the services: `-` comes before `/`.
const NAMES: [&[u8]; KEYS] = [
    b"/services/",
    b"/services//1",
    b"/services/a",
    b"/services/a-b/1",
    b"/services/a-b/2",
    b"/services/a/1",
    b"/services/a/1/deeper",
    b"/services/a/2",
    b"/services/a/3",
    b"/services/b/1",
    b"/services/b/2",
    b"/services/c/1",
    b"/services/c/\xff",
    b"/services/d/1",
    b"/services/d/bad",
    b"/services/e/1",
];

/// The services, ascending, with the keys of their instances.
const SERVICES: [(&str, &[Key]); 6] = [
    ("a", &[5, 7, 8]),
    ("a-b", &[3, 4]),
    ("b", &[9, 10]),
    ("c", &[11]),
    ("d", &[13, 14]),
    ("e", &[15]),
];

/// Not below the prefix's services, and not ours.
const IGNORED: [Key; 1] = [6];

/// At an instance's place, and yet no instance.
const INVALID: [Key; 2] = [1, 12];

/// Its values never are an address.
const BAD: Key = 14;

pub(super) const VALUES: usize = 5;

/// The values, and what they mean: whether there is a label, and which of `h:1`, `h:2`
/// and `h:3` are the targets.
const MEANINGS: [(&str, bool, u8); VALUES] = [
    ("h:1", false, 0b001),
    ("h:2", false, 0b010),
    ("h:3", false, 0b100),
    (r#"{"targets":["h:3","h:1"],"labels":{"env":"x"}}"#, true, 0b101),
    (r#"{"address":"h:1"}"#, false, 0b001),
];

/// What a key holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) value: u8,
    /// 0 for none.
    pub(super) lease: u8,
    pub(super) create_revision: i64,
    pub(super) mod_revision: i64,
    pub(super) version: i64,
}

impl Cell {
    fn is_bad(key: Key) -> bool {
        key == BAD
    }

    /// Its bytes in etcd.
    pub(super) fn text(self, key: Key) -> &'static [u8] {
        if Self::is_bad(key) { b"nowhere" } else { MEANINGS[usize::from(self.value)].0.as_bytes() }
    }

    pub(super) fn key_value(self, key: Key) -> KeyValue {
        KeyValue {
            key: name(key),
            value: self.text(key).into(),
            create_revision: Revision(self.create_revision),
            mod_revision: Revision(self.mod_revision),
            version: self.version,
        }
    }
}

/// What all keys hold at one revision.
pub(super) type State = [Option<Cell>; KEYS];

pub(super) fn name(key: Key) -> Vec<u8> {
    NAMES[key].into()
}

/// The index of a key by its name.
pub(super) fn by_name(name: &[u8]) -> Option<Key> {
    NAMES.binary_search(&name).ok()
}

/// A change, to be read by people.
pub(super) fn show(change: &Change) -> String {
    match change {
        Change::Put(kv) => {
            let (key, value) = (kv.key.escape_ascii(), kv.value.escape_ascii());
            format!("put {key}={value} @{}", kv.mod_revision)
        }
        Change::Delete { key, mod_revision, .. } => {
            format!("delete {} @{mod_revision}", key.escape_ascii())
        }
    }
}

/// What the file should hold in that state.
pub(super) fn render(state: &State) -> String {
    let mut text = String::from("[");
    for (job, keys) in SERVICES {
        let (mut plain, mut labelled) = (0, 0);
        for &key in keys {
            if let Some(cell) = state[key].filter(|_| !Cell::is_bad(key)) {
                let (_, has_label, targets) = MEANINGS[usize::from(cell.value)];
                *(if has_label { &mut labelled } else { &mut plain }) |= targets;
            }
        }
        for (targets, label) in [(plain, ""), (labelled, ",\"env\":\"x\"")] {
            if targets != 0 {
                let begin = if text.len() > 1 { ",\n" } else { "\n" };
                let hosts = ["\"h:1\"", "\"h:2\"", "\"h:3\""];
                let mut listed =
                    hosts.iter().enumerate().filter(|(bit, _)| targets >> bit & 1 == 1);
                let first = listed.next().map_or("", |(_, host)| host);
                let _ = write!(text, "{begin}{{\"targets\":[{first}");
                listed.for_each(|(_, host)| {
                    let _ = write!(text, ",{host}");
                });
                let _ = write!(text, "],\"labels\":{{\"job\":\"{job}\"{label}}}}}");
            }
        }
    }
    text.push_str(if text.len() > 1 { "\n]\n" } else { "]\n" });
    text
}

/// How many keys there are of each kind in that state.
pub(super) fn counts(state: &State) -> Counts {
    let held = |keys: &[Key]| keys.iter().filter(|&&key| state[key].is_some()).count();
    let valid = |key: &&Key| state[**key].is_some() && !Cell::is_bad(**key);
    let targets = |key: &Key| {
        let meaning = state[*key].map(|cell| MEANINGS[usize::from(cell.value)].2);
        meaning.unwrap_or_default().count_ones() as usize
    };
    let bytes = |key: &Key| {
        let has_label = state[*key].is_some_and(|cell| MEANINGS[usize::from(cell.value)].1);
        targets(key) * "h:1".len() + if has_label { "env".len() + "x".len() } else { 0 }
    };
    let instances = || SERVICES.iter().flat_map(|(_, keys)| keys.iter());
    Counts {
        services: SERVICES.iter().filter(|(_, keys)| held(keys) > 0).count(),
        valid: instances().filter(valid).count(),
        quarantined: held(&INVALID) + held(&[BAD]),
        ignored: held(&IGNORED),
        targets: instances().filter(valid).map(targets).sum(),
        bytes: instances().filter(valid).map(bytes).sum(),
        waiting: 0,
    }
}

#[test]
fn the_model_knows_its_keys_by_name_and_lists_them_in_order() {
    assert!(NAMES.is_sorted());
    for key in 0..KEYS {
        assert_eq!(by_name(&name(key)), Some(key));
    }
}

#[test]
fn the_model_renders_what_the_readme_says() {
    let mut state = State::default();
    assert_eq!(render(&state), "[]\n");
    let cell = |value| Cell { value, lease: 0, create_revision: 2, mod_revision: 2, version: 1 };
    (state[5], state[7], state[8], state[9]) =
        (Some(cell(1)), Some(cell(0)), Some(cell(3)), Some(cell(4)));
    assert_eq!(
        render(&state),
        concat!(
            "[\n",
            "{\"targets\":[\"h:1\",\"h:2\"],\"labels\":{\"job\":\"a\"}},\n",
            "{\"targets\":[\"h:1\",\"h:3\"],\"labels\":{\"job\":\"a\",\"env\":\"x\"}},\n",
            "{\"targets\":[\"h:1\"],\"labels\":{\"job\":\"b\"}}\n",
            "]\n",
        )
    );
}
