//! The style sheet, the script and the icon: embedded, under names that hold a digest of what they are, so that browsers
//! may keep them for ever.

use std::sync::LazyLock;

use axum::{
    http::{
        StatusCode,
        header::{CACHE_CONTROL, CONTENT_TYPE},
    },
    response::{IntoResponse, Response},
};
use sha2::{Digest, Sha256};

use super::csrf::hex;

/// A file.
#[derive(Debug)]
pub struct Asset {
    /// Its address.
    pub path: String,
    kind: &'static str,
    content: &'static str,
}

/// The style sheet.
pub static STYLE: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new(
        "css",
        "text/css; charset=utf-8",
        include_str!("assets/dashboard.css"),
    )
});
/// The script.
pub static SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new(
        "js",
        "text/javascript; charset=utf-8",
        include_str!("assets/dashboard.js"),
    )
});
/// The icon.
pub static ICON: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("svg", "image/svg+xml", include_str!("assets/icon.svg")));

impl Asset {
    fn new(extension: &str, kind: &'static str, content: &'static str) -> Self {
        let digest = Sha256::digest(content);
        let short = hex(&digest[..6]);
        Self {
            path: format!("/assets/{short}.{extension}"),
            kind,
            content,
        }
    }

    fn answer(&self) -> Response {
        let headers = [
            (CONTENT_TYPE, self.kind),
            (CACHE_CONTROL, "public, max-age=31536000, immutable"),
        ];
        (headers, self.content).into_response()
    }
}

/// The file of a name; a name of another version is not found, for it is not what was asked for.
pub fn serve(name: &str) -> Response {
    let all = [&*STYLE, &*SCRIPT, &*ICON];
    let found = all
        .into_iter()
        .find(|asset| asset.path.strip_prefix("/assets/") == Some(name));
    found.map_or_else(|| StatusCode::NOT_FOUND.into_response(), Asset::answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_one_name_which_may_be_kept_for_ever() {
        let name = STYLE.path.strip_prefix("/assets/").unwrap();
        let answer = serve(name);
        assert_eq!(answer.status(), StatusCode::OK);
        assert!(
            answer.headers()[CACHE_CONTROL]
                .to_str()
                .unwrap()
                .contains("immutable")
        );
        for other in ["dashboard.css", "000000000000.css", "", "../Cargo.toml"] {
            assert_eq!(serve(other).status(), StatusCode::NOT_FOUND, "{other}");
        }
    }

    #[test]
    fn no_file_asks_for_anything_from_elsewhere() {
        for asset in [&*STYLE, &*SCRIPT] {
            for foreign in ["http:", "https:", "@import", "url(", "eval"] {
                assert!(!asset.content.contains(foreign), "{foreign} in {}", asset.path);
            }
        }
    }
}
