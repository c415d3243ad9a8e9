//! The page: built in, or from a folder during development; with strong ETags (RFC 9110, 8.8.3).

use std::path::Path;

use aws_lc_rs::digest;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use hyper::{
    HeaderMap, StatusCode,
    header::{self, HeaderValue},
};

use super::reply::{self, Reply};

/// What is built in. Tests and tools of development are not.
#[derive(rust_embed::Embed)]
#[folder = "web/"]
#[exclude = "test/*"]
#[exclude = "node_modules/*"]
#[exclude = "package*.json"]
#[exclude = "tsconfig.json"]
#[exclude = ".*"]
struct BuiltIn;

/// A file of the page.
struct Asset {
    contents: Bytes,
    sha256: [u8; 32],
}

/// Answers with a file of the page; `None` where there is none. The path has been checked.
pub(super) async fn answer(
    web_dir: Option<&Path>,
    path: &str,
    request: &HeaderMap,
) -> Option<Reply> {
    let asset = match web_dir {
        Some(web_dir) => from_disk(web_dir, path).await?,
        None => built_in(path)?,
    };
    let etag = format!("\"{}\"", URL_SAFE_NO_PAD.encode(asset.sha256));
    let mut reply = if is_known(request, &etag) {
        reply::empty(StatusCode::NOT_MODIFIED)
    } else {
        reply::body(StatusCode::OK, content_type(path), asset.contents)
    };
    let headers = reply.headers_mut();
    // Kept by the browser, and asked for each time: an update is seen at once.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        headers.insert(header::ETAG, etag);
    }
    Some(reply)
}

/// A page as text, to be filled in; `None` where there is none.
pub(super) async fn text(web_dir: Option<&Path>, path: &str) -> Option<String> {
    let asset = match web_dir {
        Some(web_dir) => from_disk(web_dir, path).await?,
        None => built_in(path)?,
    };
    String::from_utf8(asset.contents.into()).ok()
}

fn built_in(path: &str) -> Option<Asset> {
    let file = BuiltIn::get(path)?;
    let contents = match file.data {
        std::borrow::Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        std::borrow::Cow::Owned(bytes) => bytes.into(),
    };
    Some(Asset { contents, sha256: file.metadata.sha256_hash() })
}

async fn from_disk(web_dir: &Path, path: &str) -> Option<Asset> {
    // A link that leads out of the folder is followed here, and refused.
    let folder = tokio::fs::canonicalize(web_dir).await.ok()?;
    let file = tokio::fs::canonicalize(folder.join(path)).await.ok()?;
    if !file.starts_with(&folder) || !tokio::fs::metadata(&file).await.ok()?.is_file() {
        return None;
    }
    let contents: Bytes = tokio::fs::read(&file).await.ok()?.into();
    let digest = digest::digest(&digest::SHA256, &contents);
    let sha256 = digest.as_ref().try_into().expect("SHA-256 has 32 bytes");
    Some(Asset { contents, sha256 })
}

/// True if the browser has it already (RFC 9110, 13.1.2: compared weakly).
fn is_known(request: &HeaderMap, etag: &str) -> bool {
    let known = request.get_all(header::IF_NONE_MATCH);
    known.iter().filter_map(|value| value.to_str().ok()).flat_map(|list| list.split(',')).any(
        |tag| {
            let tag = tag.trim();
            tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag
        },
    )
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "mp3" => "audio/mpeg",
        "ogg" | "opus" => "audio/ogg",
        "wav" => "audio/wav",
        "wasm" => "application/wasm",
        "txt" | "LICENSE" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_built_in_without_what_makes_it() {
        let paths: Vec<_> = BuiltIn::iter().collect();
        assert!(paths.iter().any(|path| path == "room/protocol.js"), "{paths:?}");
        let development = |path: &&std::borrow::Cow<'_, str>| {
            path.starts_with("test/") || path.contains("node_modules") || path.ends_with(".json")
        };
        assert_eq!(paths.iter().find(development), None);
    }

    #[test]
    fn a_tag_is_found_in_a_list_and_compared_weakly() {
        let cases = [
            ("\"a\"", true),
            ("\"b\", \"a\"", true),
            ("W/\"a\"", true),
            ("*", true),
            ("\"b\"", false),
            ("a", false),
            ("", false),
        ];
        for (tags, expected) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_NONE_MATCH, HeaderValue::from_static(tags));
            assert_eq!(is_known(&headers, "\"a\""), expected, "{tags}");
        }
        assert!(!is_known(&HeaderMap::new(), "\"a\""));
    }
}
