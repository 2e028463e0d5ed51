//! Content negotiation by coding (RFC 9110 §12.5.3).

use hyper::HeaderMap;
use hyper::header::ACCEPT_ENCODING;

use crate::edition::Coding;

/// A quality value in thousandths (§12.4.2).
type Quality = u16;
const FULL: Quality = 1000;

/// Returns the coding that the client prefers; among equals, the one that compresses best. `None` if it accepts none,
/// not even identity.
pub(super) fn coding(headers: &HeaderMap) -> Option<Coding> {
    let lines = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|line| line.to_str().ok());
    let (mut named, mut rest) = ([None; Coding::ALL.len()], None);
    for member in lines.flat_map(|line| line.split(',')) {
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
    // Identity is acceptable unless it is excluded, but a client that names codings prefers those. Clients that send
    // `*` alone can decode gzip, if anything.
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

/// Parses `q=0.5`, or an empty parameter.
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
    use proptest::prelude::*;

    fn chosen(lines: &[&str]) -> Option<Coding> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(ACCEPT_ENCODING, line.parse().unwrap());
        }
        coding(&headers)
    }

    #[test]
    fn coding_is_chosen_by_quality() {
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

    proptest! {
        #[test]
        fn invalid_field_never_panics(line in "[ -~\t]{0,60}") {
            let _ = chosen(&[&line]);
        }
    }
}
