//! Whether two patterns can match the same key.

use std::collections::BTreeSet;

use super::{Part, Pattern};

/// A piece of a pattern, as an automaton reads it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Token {
    /// This byte.
    Byte(u8),
    /// Any byte, but for a slash.
    NoSlash,
    /// Any byte.
    Any,
    /// Any number of bytes, none of them a slash.
    NoSlashes,
    /// Any number of bytes.
    Anything,
}

impl Token {
    fn repeats(self) -> bool {
        matches!(self, Self::NoSlashes | Self::Anything)
    }

    /// Whether there is a byte that both take.
    fn meets(self, other: Self) -> bool {
        match (self, other) {
            (Self::Byte(one), Self::Byte(other)) => one == other,
            (Self::Byte(b'/'), Self::NoSlash | Self::NoSlashes)
            | (Self::NoSlash | Self::NoSlashes, Self::Byte(b'/')) => false,
            _ => true,
        }
    }
}

impl Pattern {
    /// Whether some key is matched by both: then it would be two registrations.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        let (one, other) = (self.tokens(), other.tokens());
        // Both are read at once, and every pair of places that can be reached is looked at once.
        let mut seen = BTreeSet::from([(0, 0)]);
        let mut open = vec![(0, 0)];
        while let Some((i, j)) = open.pop() {
            let mut reach = |place| {
                if seen.insert(place) {
                    open.push(place);
                }
            };
            let (first, second) = (one.get(i), other.get(j));
            if first.is_none() && second.is_none() {
                return true;
            }
            // What repeats may do so no more.
            if first.is_some_and(|token| token.repeats()) {
                reach((i + 1, j));
            }
            if second.is_some_and(|token| token.repeats()) {
                reach((i, j + 1));
            }
            let Some((first, second)) = first.zip(second).filter(|(a, b)| a.meets(**b)) else {
                continue;
            };
            reach((i + usize::from(!first.repeats()), j + usize::from(!second.repeats())));
        }
        false
    }

    fn tokens(&self) -> Vec<Token> {
        let mut tokens: Vec<_> = self.prefix.as_str().bytes().map(Token::Byte).collect();
        for (at, segment) in self.segments.iter().enumerate() {
            if at > 0 {
                tokens.push(Token::Byte(b'/'));
            }
            let is_rest = self.has_rest && at + 1 == self.segments.len();
            for part in segment {
                match part {
                    Part::Text(text) => tokens.extend(text.bytes().map(Token::Byte)),
                    // It stands for one character at least.
                    Part::Placeholder(_) if is_rest => {
                        tokens.extend([Token::Any, Token::Anything]);
                    }
                    Part::Placeholder(_) => tokens.extend([Token::NoSlash, Token::NoSlashes]),
                }
            }
        }
        tokens
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::key::Key;

    #[test]
    fn two_patterns_overlap_if_one_key_can_be_of_both() {
        for (one, other, expected) in [
            ("/a/{service}/{i}", "/a/{service}/{i}", true),
            ("/a/{service}/{i}", "/b/{service}/{i}", false),
            ("/a/{service}/{i}", "/a/{env}/{service}/{i}", false),
            ("/a/{service}/{i...}", "/a/{env}/{service}/{i}", true),
            ("/a/{service}/{i...}", "/a/{service}", false),
            ("/a/b/{service}/{i}", "/a/{env}/{service}/{i}", true),
            ("/a/b/{service}/{i}", "/a/{env}/{service}/ttl", true),
            ("/a/b/{service}/{i}/ttl", "/a/{env}/{service}/{i}/info", false),
            ("/t/{service=tidb}/{address}/info", "/t/{service=tikv}/{address}/info", false),
            ("/t/{service=tidb}/{address}/info", "/t/tidb/{service}/{i}", true),
            ("/s/{service}-{i}", "/s/{service}", true),
            ("/s/x{service}", "/s/{service}y", true),
            ("/s/x{service}", "/s/y{service}", false),
            ("/s/{proto}@{service}", "/s/{service}", true),
            ("/s/ab{service}", "/s/{service=ab}{i}", true),
        ] {
            let [first, second] = [one, other]
                .map(|text| Pattern::parse(text).unwrap_or_else(|e| panic!("{text}: {e}")));
            assert_eq!(first.overlaps(&second), expected, "{one} and {other}");
            assert_eq!(second.overlaps(&first), expected, "{other} and {one}");
        }
    }

    const PATTERNS: [&str; 9] = [
        "/s/{service}/{i}",
        "/s/{service}/{i...}",
        "/s/a/{service}",
        "/s/{service}",
        "/s/{service}/b",
        "/s/{env}/{service}/{i}",
        "/s/a{service}/{i}",
        "/s/{service}b/a{i}",
        "/s/{i}a{service}/b/{x}",
    ];

    proptest::proptest! {
        #[test]
        fn no_key_is_of_two_patterns_that_do_not_overlap(key in "/s/[ab/]{1,8}") {
            let patterns = PATTERNS.map(|text| Pattern::parse(text).expect(text));
            let is_of = |pattern: &&Pattern| {
                matches!(pattern.classify(key.as_bytes()), Key::Instance { .. })
            };
            let of: Vec<_> = patterns.iter().filter(is_of).collect();
            for (one, other) in of.iter().flat_map(|one| of.iter().map(move |other| (one, other))) {
                proptest::prop_assert!(one.overlaps(other), "{}, {}", one.as_str(), other.as_str());
            }
        }
    }
}
