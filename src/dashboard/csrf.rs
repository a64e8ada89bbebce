//! Forms of others are refused: every form of ours carries a proof that only pages of ours can hold.
//!
//! A random seed is kept in a cookie that no script and no other site reads; the proof in the form is made of that seed
//! and of the token the browser is signed in with. Besides, a request that says it comes from elsewhere is refused.

use axum::http::{HeaderMap, header::HOST, header::ORIGIN};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Name of the field.
pub const FIELD: &str = "csrf";
/// Bytes of a seed.
const SEED: usize = 16;

/// A random seed, as in its cookie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seed(String);

impl Seed {
    /// A new one.
    ///
    /// # Errors
    /// The machine has no random numbers.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; SEED];
        getrandom::fill(&mut bytes)?;
        Ok(Self(hex(&bytes)))
    }

    /// One from a cookie.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_ours = text.len() == 2 * SEED && text.bytes().all(|b| b.is_ascii_hexdigit());
        is_ours.then(|| Self(text.to_owned()))
    }

    /// For the cookie.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The proof for forms of somebody who is signed in with a token, or of nobody.
    #[must_use]
    pub fn proof(&self, token: Option<&str>) -> String {
        let mac = self.mac(token).map(|mac| mac.finalize().into_bytes());
        mac.map(|bytes| hex(&bytes)).unwrap_or_default()
    }

    /// Whether a form carries the proof. The comparison takes as long for every wrong one.
    #[must_use]
    pub fn proves(&self, token: Option<&str>, given: &str) -> bool {
        let (Some(mac), Some(given)) = (self.mac(token), unhex(given)) else {
            return false;
        };
        mac.verify_slice(&given).is_ok()
    }

    fn mac(&self, token: Option<&str>) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.as_bytes()).ok()?;
        mac.update(token.unwrap_or_default().as_bytes());
        Some(mac)
    }
}

/// Whether a browser says that a request comes from a page of another origin.
#[must_use]
pub fn is_foreign(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = text("sec-fetch-site") {
        return !matches!(site, "same-origin" | "none");
    }
    let Some(origin) = text(ORIGIN.as_str()) else {
        return false;
    };
    let authority = origin.split_once("://").map(|(_, authority)| authority);
    authority.is_none() || authority != text(HOST.as_str())
}

/// Bytes as hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    let mut out = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(out, "{byte:02x}");
    }
    out
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let bytes = text.as_bytes();
    if !bytes.len().is_multiple_of(2) || bytes.len() > 128 {
        return None;
    }
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    bytes.chunks(2).map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_is_good_for_its_seed_and_token_only() {
        let (seed, other) = (Seed::random().unwrap(), Seed::random().unwrap());
        assert_ne!(seed, other);
        let proof = seed.proof(Some("t"));
        assert!(seed.proves(Some("t"), &proof));
        assert!(!other.proves(Some("t"), &proof));
        assert!(!seed.proves(Some("u"), &proof));
        assert!(!seed.proves(None, &proof));
        for wrong in [
            "",
            "00",
            "zz",
            "é",
            &proof[1..],
            &proof.replace(|_: char| true, "0"),
        ] {
            assert!(!seed.proves(Some("t"), wrong), "{wrong:?}");
        }
    }

    #[test]
    fn a_seed_is_32_hexadecimal_digits() {
        let seed = Seed::random().unwrap();
        assert_eq!(Seed::parse(seed.as_str()), Some(seed));
        for wrong in ["", "abc", &"g".repeat(32), &"a".repeat(33)] {
            assert_eq!(Seed::parse(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn requests_from_elsewhere_are_known() {
        let headers = |pairs: &[(&'static str, &str)]| {
            let pairs = pairs
                .iter()
                .map(|(k, v)| (k.parse().unwrap(), v.parse().unwrap()));
            pairs.collect::<HeaderMap>()
        };
        let host = ("host", "kymaros.example:8080");
        for own in [
            headers(&[host]),
            headers(&[host, ("origin", "http://kymaros.example:8080")]),
            headers(&[host, ("sec-fetch-site", "same-origin")]),
        ] {
            assert!(!is_foreign(&own), "{own:?}");
        }
        for foreign in [
            headers(&[host, ("origin", "http://evil.example")]),
            headers(&[host, ("origin", "null")]),
            headers(&[host, ("sec-fetch-site", "cross-site")]),
            headers(&[host, ("sec-fetch-site", "same-site")]),
        ] {
            assert!(is_foreign(&foreign), "{foreign:?}");
        }
    }
}
