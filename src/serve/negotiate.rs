//! Content negotiation by coding: RFC 9110 §12.5.3.

use hyper::header::HeaderValue;

use super::fields::{Field, Fields};
use crate::edition::coding::Coding;

/// A quality value in thousandths (§12.4.2).
type Quality = u16;
const FULL: Quality = 1000;

/// The coding that a client likes best, among equals the one that gives the fewest bytes. None if
/// it takes none of them, not even the bytes as they are.
pub(super) fn coding(fields: &Fields<'_>) -> Option<Coding> {
    fields.only(Field::AcceptEncoding).and_then(usual).or_else(|| best(fields))
}

/// What nearly all clients send, which need not be taken to pieces, and what is best of it.
const USUAL: [(&str, Coding); 9] = [
    ("gzip", Coding::Gzip),
    ("gzip, deflate, br", Coding::Brotli),
    ("gzip, deflate, br, zstd", Coding::Brotli),
    ("gzip, deflate", Coding::Gzip),
    ("identity", Coding::Identity),
    ("gzip,deflate", Coding::Gzip),
    ("deflate, gzip", Coding::Gzip),
    ("br, gzip, deflate", Coding::Brotli),
    ("deflate, gzip, br, zstd", Coding::Brotli),
];

fn usual(line: &HeaderValue) -> Option<Coding> {
    USUAL.into_iter().find(|(usual, _)| line == usual).map(|(_, coding)| coding)
}

fn best(fields: &Fields<'_>) -> Option<Coding> {
    let (mut named, mut rest) = ([None; Coding::ALL.len()], None);
    for member in fields.texts(Field::AcceptEncoding).flat_map(|line| line.split(',')) {
        let (name, quality) = match member.split_once(';') {
            Some((name, parameter)) => match quality(parameter) {
                Some(quality) => (name, quality),
                None => continue,
            },
            None => (member, FULL),
        };
        match name.trim() {
            "*" => rest = Some(quality),
            name => {
                if let Some(coding) = by_name(name) {
                    named[coding as usize] = Some(quality);
                }
            }
        }
    }
    let [identity, gzip, brotli] = named;
    // What nobody speaks of is acceptable if it is the bytes as they are, but not preferred: who
    // names codings wants them. `*` alone comes from clients that read gzip, if anything.
    let ranked = [
        (Coding::Brotli, brotli, 4),
        (Coding::Gzip, gzip, 3),
        (Coding::Gzip, rest.filter(|_| gzip.is_none()), 2),
        (Coding::Brotli, rest.filter(|_| brotli.is_none()), 1),
        (Coding::Identity, identity.or(rest).or(Some(1)), 0),
    ];
    let best = ranked.into_iter().filter_map(|(coding, quality, rank)| Some((quality?, rank, coding)));
    best.filter(|(quality, ..)| *quality > 0)
        .max_by_key(|&(quality, rank, _)| (quality, rank))
        .map(|(.., coding)| coding)
}

fn by_name(name: &str) -> Option<Coding> {
    let is = |other: &str| name.eq_ignore_ascii_case(other);
    // §8.4.1.3: `x-gzip` is gzip.
    Coding::ALL.into_iter().find(|coding| is(coding.name())).or_else(|| is("x-gzip").then_some(Coding::Gzip))
}

/// `q=0.5`, or no parameter at all.
fn quality(parameter: &str) -> Option<Quality> {
    let value = parameter.trim();
    if value.is_empty() {
        return Some(FULL);
    }
    let value = value.strip_prefix(['q', 'Q'])?.trim_start().strip_prefix('=')?.trim_start();
    let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
    let digits = fraction.len() <= 3 && fraction.bytes().all(|byte| byte.is_ascii_digit());
    if !digits {
        return None;
    }
    let thousandths =
        fraction.bytes().chain(*b"000").take(3).fold(0, |sum, digit| sum * 10 + Quality::from(digit - b'0'));
    match whole {
        "0" => Some(thousandths),
        "1" if thousandths == 0 => Some(FULL),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::HeaderMap;
    use hyper::header::ACCEPT_ENCODING;
    use proptest::prelude::*;

    fn chosen(lines: &[&str]) -> Option<Coding> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(ACCEPT_ENCODING, line.parse().unwrap());
        }
        coding(&Fields::of(&headers))
    }

    #[test]
    fn codings_are_chosen_by_quality() {
        use Coding::{Brotli, Gzip, Identity};
        for (lines, expected) in [
            (&[][..], Some(Identity)),
            (&[""], Some(Identity)),
            (&["gzip"], Some(Gzip)),
            (&["x-gzip"], Some(Gzip)),
            (&["GZIP"], Some(Gzip)),
            (&["br"], Some(Brotli)),
            (&["gzip, deflate, br, zstd"], Some(Brotli)),
            (&["gzip, deflate"], Some(Gzip)),
            (&["gzip", "br"], Some(Brotli)),
            (&["br;q=0.5, gzip;q=0.8"], Some(Gzip)),
            (&["br ; q = 0.5 , gzip ; Q=0.501"], Some(Gzip)),
            (&["gzip;q=0.2, identity;q=0.3"], Some(Identity)),
            (&["gzip;q=0.3, identity;q=0.3"], Some(Gzip)),
            (&["gzip;q=0.001"], Some(Gzip)),
            (&["gzip;q=0"], Some(Identity)),
            (&["gzip;q=0.000, br;q=0."], Some(Identity)),
            (&["deflate, zstd"], Some(Identity)),
            (&["identity"], Some(Identity)),
            (&["*"], Some(Gzip)),
            (&["gzip;q=0, *"], Some(Brotli)),
            (&["*;q=0.5, identity"], Some(Identity)),
            (&["*;q=0.5, br;q=0.4"], Some(Gzip)),
            (&["identity;q=0, *"], Some(Gzip)),
            (&["identity;q=0, br"], Some(Brotli)),
            (&["identity;q=0"], None),
            (&["*;q=0"], None),
            (&["*;q=0, identity"], Some(Identity)),
            (&["*;q=0, gzip"], Some(Gzip)),
            (&["gzip;q=2"], Some(Identity)),
            (&["gzip;q=0.1234"], Some(Identity)),
            (&["gzip;q=0.!"], Some(Identity)),
            (&["gzip;level=9"], Some(Identity)),
            (&["gzip;"], Some(Gzip)),
            (&[",, ,gzip,"], Some(Gzip)),
        ] {
            assert_eq!(chosen(lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn what_is_usual_is_what_is_best() {
        for (line, coding) in USUAL {
            let mut headers = HeaderMap::new();
            headers.append(ACCEPT_ENCODING, line.parse().unwrap());
            assert_eq!(best(&Fields::of(&headers)), Some(coding), "{line}");
            assert_eq!(usual(&headers[ACCEPT_ENCODING]), Some(coding), "{line}");
        }
    }

    proptest! {
        #[test]
        fn nonsense_is_not_acted_upon(line in "[ -~\t]{0,60}") {
            let _ = chosen(&[&line]);
        }
    }
}
