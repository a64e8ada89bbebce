//! Cookies of the dashboard: the token somebody signed in with, and the seed of the proofs in forms.
//!
//! Behind TLS their names begin with `__Host-`, so that browsers take them from this host only, over TLS only.

use axum::http::{HeaderMap, HeaderValue, header::COOKIE};

/// Longest token; browsers keep cookies of 4096 bytes with their name and attributes.
pub const LONGEST: usize = 3800;
/// Header by which what ends TLS before us says that it did.
const FORWARDED: &str = "x-forwarded-proto";

/// A cookie of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cookie {
    /// The token.
    Token,
    /// The seed.
    Seed,
}

/// How the browser reaches us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reached {
    /// Over TLS, ended by us or before us.
    Secure,
    /// In plain text.
    Plain,
}

impl Reached {
    /// As the request says. A lie changes nothing but the liar's own cookies.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        let said = headers.get(FORWARDED).and_then(|value| value.to_str().ok());
        let first = said.and_then(|said| said.split(',').next());
        match first.map(str::trim) {
            Some(proto) if proto.eq_ignore_ascii_case("https") => Self::Secure,
            _ => Self::Plain,
        }
    }
}

impl Cookie {
    fn name(self, reached: Reached) -> &'static str {
        match (self, reached) {
            (Self::Token, Reached::Secure) => "__Host-kymaros-token",
            (Self::Token, Reached::Plain) => "kymaros-token",
            (Self::Seed, Reached::Secure) => "__Host-kymaros-seed",
            (Self::Seed, Reached::Plain) => "kymaros-seed",
        }
    }

    /// Its value in a request.
    #[must_use]
    pub fn read(self, headers: &HeaderMap) -> Option<String> {
        let name = self.name(Reached::of(headers));
        let lines = headers
            .get_all(COOKIE)
            .iter()
            .filter_map(|line| line.to_str().ok());
        let mut pairs = lines
            .flat_map(|line| line.split(';'))
            .filter_map(|pair| pair.trim().split_once('='));
        let (_, value) = pairs.find(|(known, _)| *known == name)?;
        (!value.is_empty()).then(|| value.to_owned())
    }

    /// Sets it until the browser is closed. Nothing when the value cannot be in a cookie.
    #[must_use]
    pub fn set(self, value: &str, reached: Reached) -> Option<HeaderValue> {
        is_plain(value).then(|| self.line(value, "", reached))?
    }

    /// Takes it away.
    #[must_use]
    pub fn clear(self, reached: Reached) -> Option<HeaderValue> {
        self.line("", "; Max-Age=0", reached)
    }

    fn line(self, value: &str, ends: &str, reached: Reached) -> Option<HeaderValue> {
        let secure = match reached {
            Reached::Secure => "; Secure",
            Reached::Plain => "",
        };
        let name = self.name(reached);
        let line = format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict{secure}{ends}");
        HeaderValue::from_str(&line).ok()
    }
}

/// Whether a text can be a token in a cookie: visible ASCII without what cookies use themselves.
#[must_use]
pub fn is_plain(text: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_graphic() && !matches!(b, b'"' | b',' | b';' | b'\\');
    !text.is_empty() && text.len() <= LONGEST && text.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pairs = pairs
            .iter()
            .map(|(k, v)| (k.parse().unwrap(), v.parse().unwrap()));
        pairs.collect()
    }

    #[test]
    fn behind_tls_a_cookie_is_of_this_host_and_of_tls_only() {
        let line = Cookie::Token.set("abc", Reached::Secure).unwrap();
        assert_eq!(
            line.to_str().unwrap(),
            "__Host-kymaros-token=abc; Path=/; HttpOnly; SameSite=Strict; Secure"
        );
        let plain = Cookie::Seed.clear(Reached::Plain).unwrap();
        assert_eq!(
            plain.to_str().unwrap(),
            "kymaros-seed=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0"
        );
    }

    #[test]
    fn behind_tls_a_cookie_that_was_set_without_it_is_not_taken() {
        let plain = "a=b; kymaros-token=planted";
        assert_eq!(
            Cookie::Token.read(&request(&[("cookie", plain)])).as_deref(),
            Some("planted")
        );
        let secure = request(&[("cookie", plain), ("x-forwarded-proto", "https, http")]);
        assert_eq!(Cookie::Token.read(&secure), None);
        let own = request(&[
            ("cookie", "__Host-kymaros-token=own"),
            ("x-forwarded-proto", "https"),
        ]);
        assert_eq!(Cookie::Token.read(&own).as_deref(), Some("own"));
    }

    #[test]
    fn what_would_break_out_of_a_cookie_is_not_set() {
        for text in ["", "a;b", "a b", "a\r\nb", "ü", "a,b", &"x".repeat(LONGEST + 1)] {
            assert_eq!(Cookie::Token.set(text, Reached::Plain), None, "{text:?}");
        }
    }
}
