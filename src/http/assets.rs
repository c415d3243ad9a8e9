//! The page: built in, or from a folder during development; with strong ETags (RFC 9110, 8.8.3), and by
//! gzip for whoever takes that: each file is packed once, when it is first asked for.

use std::{
    collections::HashMap,
    io::Write,
    path::Path,
    sync::{LazyLock, Mutex, PoisonError},
};

use aws_lc_rs::digest;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
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
#[exclude = "*.d.ts"]
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
    let content_type = content_type(path);
    let packs = is_text(content_type);
    let packed = if packs && takes_gzip(request) { packed(&asset) } else { None };
    // Two forms of one file are two representations, each with its own strong tag.
    let form = if packed.is_some() { "-gzip" } else { "" };
    let etag = format!("\"{}{form}\"", URL_SAFE_NO_PAD.encode(asset.sha256));
    let mut reply = if is_known(request, &etag) {
        reply::empty(StatusCode::NOT_MODIFIED)
    } else {
        let contents = packed.clone().unwrap_or(asset.contents);
        let mut reply = reply::body(StatusCode::OK, content_type, contents);
        if packed.is_some() {
            let gzip = HeaderValue::from_static("gzip");
            reply.headers_mut().insert(header::CONTENT_ENCODING, gzip);
        }
        reply
    };
    let headers = reply.headers_mut();
    if packs {
        headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    }
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

/// Files that were packed, by what they hold; `None` gains nothing.
static PACKED: LazyLock<Mutex<HashMap<[u8; 32], Option<Bytes>>>> = LazyLock::new(Mutex::default);

/// More than the page has; a folder under development has new ones all the time.
const MAX_PACKED: usize = 512;

/// Below this a packet holds it anyway.
const WORTH_PACKING: usize = 1024;

fn packed(asset: &Asset) -> Option<Bytes> {
    if asset.contents.len() < WORTH_PACKING {
        return None;
    }
    let mut known = PACKED.lock().unwrap_or_else(PoisonError::into_inner);
    if known.len() >= MAX_PACKED {
        known.clear();
    }
    known.entry(asset.sha256).or_insert_with(|| gzip(&asset.contents)).clone()
}

fn gzip(contents: &[u8]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(contents.len() / 2), Compression::best());
    encoder.write_all(contents).ok()?;
    let packed = encoder.finish().ok()?;
    (packed.len() < contents.len()).then(|| packed.into())
}

/// Pictures and sounds are packed already.
fn is_text(content_type: &str) -> bool {
    content_type.starts_with("text/")
        || ["application/json", "application/manifest+json", "image/svg+xml", "application/wasm"]
            .contains(&content_type)
}

/// RFC 9110, 12.5.3: named, or by `*`, and not with a weight of zero.
fn takes_gzip(request: &HeaderMap) -> bool {
    let fields = request.get_all(header::ACCEPT_ENCODING).iter();
    let codings = fields.filter_map(|value| value.to_str().ok()).flat_map(|list| list.split(','));
    let mut any = false;
    for coding in codings {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let weight = weight.trim().strip_prefix("q=").map(str::trim);
        let is_wanted = weight.is_none_or(|weight| weight.parse::<f32>().is_ok_and(|q| q > 0.0));
        match name.trim() {
            name if name.eq_ignore_ascii_case("gzip") => return is_wanted,
            "*" => any = is_wanted,
            _ => {}
        }
    }
    any
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
    fn gzip_is_for_whoever_takes_it() {
        let cases = [
            ("gzip, deflate, br, zstd", true),
            ("br;q=1.0, GZIP;q=0.2", true),
            ("*", true),
            ("br, *;q=0.1", true),
            ("gzip;q=0", false),
            ("*, gzip;q=0.000", false),
            ("gzip;q=much", false),
            ("identity", false),
            ("", false),
        ];
        for (given, expected) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(given));
            assert_eq!(takes_gzip(&headers), expected, "{given}");
        }
        assert!(!takes_gzip(&HeaderMap::new()));
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
