//! `etcd-sd presets`: the value formats, with an example of each.

use std::io::{self, Write};

use super::{Error, print};
use crate::core::format::Format;

pub(super) fn run() -> Result<i32, Error> {
    print(|out| list(out)).map(|()| 0)
}

fn list(out: &mut dyn Write) -> io::Result<()> {
    for one in Format::all() {
        let also = match one.aliases {
            [] => String::new(),
            aliases => format!(" (also {})", aliases.join(", ")),
        };
        writeln!(out, "{}{also}: {}", one.name, one.about)?;
        writeln!(out, "    --key-pattern '{}' --value-format {}", one.key_pattern, one.name)?;
        writeln!(out, "    {} = {}\n", one.key, one.value)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::event::{KeyValue, Revision};
    use crate::core::key::Key;
    use crate::core::pattern::Pattern;
    use crate::core::schema::Schema;

    #[test]
    fn the_example_of_each_preset_is_a_registration_by_its_own_pattern() {
        for one in Format::all() {
            let pattern = Pattern::parse(one.key_pattern).expect(one.key_pattern);
            let key = pattern.classify(one.key.as_bytes());
            assert!(matches!(key, Key::Instance { .. }), "{}: {key:?}", one.name);
            if one.name == "json" {
                continue;
            }
            let schema = Schema { format: one.format(), ..Schema::of(pattern) };
            let (key, value) = (one.key.into(), one.value.into());
            let (create_revision, mod_revision) = (Revision(1), Revision(1));
            let told =
                schema.explain(&KeyValue { key, value, create_revision, mod_revision, version: 1 });
            assert!(told.is_good, "{}: {told:?}", one.name);
        }
        let mut printed = Vec::new();
        list(&mut printed).expect("printed");
        assert!(String::from_utf8(printed).expect("UTF-8").contains("\nkratos: "));
    }
}
