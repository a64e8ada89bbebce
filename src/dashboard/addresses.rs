//! Addresses of pages. Names stand in paths, each as one part.

use super::query::segment;

/// The page of a test.
#[must_use]
pub fn test(namespace: &str, name: &str) -> String {
    format!("/tests/{}/{}", segment(namespace), segment(name))
}

/// The page that asks whether a test is to run now.
#[must_use]
pub fn trigger(namespace: &str, name: &str) -> String {
    format!("{}/trigger", test(namespace, name))
}

/// The page of a report.
#[must_use]
pub fn report(namespace: &str, name: &str) -> String {
    format!("/reports/{}/{}", segment(namespace), segment(name))
}

/// The page for signing in, which leads back to an address of ours.
#[must_use]
pub fn sign_in(next: &str) -> String {
    format!("/sign-in{}", super::query::write(&[("next", next)]))
}

/// An address of ours that was handed to us: anything else leads to the overview.
#[must_use]
pub fn own(next: Option<&str>) -> &str {
    next.filter(|next| is_own(next)).unwrap_or("/")
}

/// Browsers take `//host` and `/\host` for another origin, and drop line ends and tabs before they look.
fn is_own(next: &str) -> bool {
    let second = next.as_bytes().get(1);
    next.starts_with('/')
        && !matches!(second, Some(b'/' | b'\\'))
        && next.len() <= 2048
        && next.bytes().all(|b| b.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_in_their_part_of_the_path() {
        assert_eq!(test("ops", "shop"), "/tests/ops/shop");
        assert_eq!(report("a/b", "x?y"), "/reports/a%2Fb/x%3Fy");
        assert_eq!(trigger("ops", "shop"), "/tests/ops/shop/trigger");
        assert_eq!(
            sign_in("/tests?q=a&page=2"),
            "/sign-in?next=%2Ftests%3Fq%3Da%26page%3D2"
        );
    }

    #[test]
    fn nobody_is_led_to_another_origin() {
        assert_eq!(own(Some("/tests?q=a")), "/tests?q=a");
        for foreign in [
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "tests",
            "/\t/evil.example",
            "/a\r\nSet-Cookie: x=y",
            "",
        ] {
            assert_eq!(own(Some(foreign)), "/", "{foreign:?}");
        }
        assert_eq!(own(None), "/");
    }
}
