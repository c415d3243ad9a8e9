//! Problems as pages, for people who open an address in a browser: in their language first, in the other
//! one below it, with a way on. Programs get the problem itself (RFC 9457).

use hyper::{
    HeaderMap, Method, StatusCode,
    header::{self, HeaderName, HeaderValue},
};

use super::reply::{self, Problem, Reply};
use crate::protocol::ErrorCode;

/// A language that pages are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    English,
    Chinese,
}

/// What a page says in one language: title, sentence, and the words on the way on.
struct Words {
    title: &'static str,
    sentence: &'static str,
    way: &'static str,
}

/// The language of whoever opens an address in a browser; `None` is a program.
pub(super) fn reader(method: &Method, headers: &HeaderMap) -> Option<Language> {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let is_read = matches!(*method, Method::GET | Method::HEAD);
    let is_page = text(header::ACCEPT).is_some_and(|accept| accept.contains("text/html"));
    if !(is_read && is_page) {
        return None;
    }
    let languages = text(header::ACCEPT_LANGUAGE).unwrap_or_default().split(',');
    let mut known =
        languages.filter_map(|tag| match tag.trim().get(..2)?.to_ascii_lowercase().as_str() {
            "zh" => Some(Language::Chinese),
            "en" => Some(Language::English),
            _ => None,
        });
    Some(known.next().unwrap_or(Language::English))
}

/// Makes a page of a problem; what is none stays as it is.
pub(super) fn dress(reply: Reply, language: Language) -> Reply {
    let Some(problem) = reply.extensions().get::<Problem>().cloned() else { return reply };
    let (parts, _) = reply.into_parts();
    let mut page = reply::body(
        parts.status,
        "text/html; charset=utf-8",
        page(parts.status, &problem, language),
    );
    let lang = match language {
        Language::English => "en, zh-CN",
        Language::Chinese => "zh-CN, en",
    };
    let headers = page.headers_mut();
    for (name, value) in &parts.headers {
        if ![header::CONTENT_TYPE, header::CONTENT_LENGTH].contains(name) {
            headers.insert(name, value.clone());
        }
    }
    headers.insert(header::CONTENT_LANGUAGE, HeaderValue::from_static(lang));
    page
}

fn page(status: StatusCode, problem: &Problem, language: Language) -> String {
    let [english, chinese] = words(status, problem.code);
    let way = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => "/signin",
        _ => "/",
    };
    let section = |lang: &str, words: &Words| {
        format!(
            "<section lang=\"{lang}\">\n<h1>{}</h1>\n<p>{}</p>\n\
             <p><a class=\"button\" href=\"{way}\">{}</a></p>\n</section>\n",
            words.title, words.sentence, words.way
        )
    };
    let (lang, title, sections) = match language {
        Language::English => {
            ("en", english.title, section("en", &english) + &section("zh-CN", &chinese))
        }
        Language::Chinese => {
            ("zh-CN", chinese.title, section("zh-CN", &chinese) + &section("en", &english))
        }
    };
    let code = serde_json::to_value(problem.code).unwrap_or_default();
    format!(
        "<!doctype html>\n<html lang=\"{lang}\" data-ready>\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"dark light\">\n<title>{title} · parlor</title>\n\
         <link rel=\"icon\" href=\"/shared/favicon.svg\" type=\"image/svg+xml\">\n\
         <link rel=\"stylesheet\" href=\"/shared/style.css\">\n\
         <link rel=\"stylesheet\" href=\"/shared/problem.css\">\n</head>\n<body>\n\
         <main class=\"problem\">\n{sections}<p class=\"code\" lang=\"en\">{}: {}</p>\n</main>\n\
         </body>\n</html>\n",
        code.as_str().unwrap_or("error"),
        reply::escape(&problem.detail)
    )
}

/// In English and in Chinese.
type Both = [Words; 2];

const fn both(english: [&'static str; 3], chinese: [&'static str; 3]) -> Both {
    let ([title, sentence, way], [title_zh, sentence_zh, way_zh]) = (english, chinese);
    [Words { title, sentence, way }, Words { title: title_zh, sentence: sentence_zh, way: way_zh }]
}

const ROOM_NAME: Both = both(
    [
        "That is no name of a room",
        "A room\u{2019}s name has up to 64 characters, and no \u{201c}/\u{201d} among them. \
         Choose another one.",
        "To the rooms",
    ],
    ["这不是可用的房间名", "房间名最多 64 个字符，不能有“/”。请换一个。", "去房间"],
);
const NOT_FOUND: Both = both(
    [
        "There is nothing here",
        "The address may be mistyped, or what it led to is gone.",
        "To the rooms",
    ],
    ["这里什么也没有", "地址可能写错了，或者原来的内容已经不在了。", "去房间"],
);
const UNKNOWN: Both = both(
    ["Sign in first", "This is for people whom the box knows.", "Sign in"],
    ["请先登录", "这里只对主机认识的人开放。", "登录"],
);
const FORBIDDEN: Both = both(
    [
        "This is not open to you",
        "Sign in, or ask whoever keeps this box for an invitation.",
        "Sign in",
    ],
    ["你没有权限查看这里", "请登录，或向主机的主人要一个邀请。", "登录"],
);
const ELSEWHERE: Both = both(
    [
        "The box does not know this address",
        "Open it by one of the addresses that it prints when it starts.",
        "Try the rooms",
    ],
    ["主机不认识这个地址", "请用主机启动时显示的地址打开。", "试试房间页"],
);
const TOO_OFTEN: Both = both(
    ["Too many tries", "Wait a minute, then load this page again.", "To the rooms"],
    ["尝试次数太多", "请等一分钟，再重新载入本页。", "去房间"],
);
const NOT_READY: Both = both(
    [
        "The box is not ready",
        "It may be starting or stopping. Load this page again in a moment.",
        "To the rooms",
    ],
    ["主机还没有准备好", "它可能正在启动或停止，请稍后重新载入本页。", "去房间"],
);
const FAILED: Both = both(
    [
        "That did not work",
        "The reason stands below. Go back, or begin at the rooms.",
        "To the rooms",
    ],
    ["没有成功", "原因见下方。请返回，或从房间页重新开始。", "去房间"],
);

fn words(status: StatusCode, code: ErrorCode) -> Both {
    match status {
        _ if code == ErrorCode::RoomNameInvalid => ROOM_NAME,
        StatusCode::NOT_FOUND => NOT_FOUND,
        StatusCode::UNAUTHORIZED => UNKNOWN,
        StatusCode::FORBIDDEN => FORBIDDEN,
        StatusCode::MISDIRECTED_REQUEST | StatusCode::BAD_REQUEST => ELSEWHERE,
        StatusCode::TOO_MANY_REQUESTS => TOO_OFTEN,
        StatusCode::SERVICE_UNAVAILABLE => NOT_READY,
        _ => FAILED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(accept: &'static str, language: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
        headers.insert(header::ACCEPT_LANGUAGE, HeaderValue::from_static(language));
        headers
    }

    #[test]
    fn whoever_reads_pages_is_known_by_what_they_accept() {
        let html = "text/html,application/xhtml+xml,*/*;q=0.8";
        let cases = [
            (Method::GET, html, "en-US,en;q=0.5", Some(Language::English)),
            (Method::GET, html, "zh-CN,zh;q=0.9,en;q=0.8", Some(Language::Chinese)),
            (Method::GET, html, "de, zh-TW;q=0.5", Some(Language::Chinese)),
            (Method::HEAD, html, "", Some(Language::English)),
            (Method::POST, html, "en", None),
            (Method::GET, "*/*", "en", None),
            (Method::GET, "application/json", "zh", None),
        ];
        for (method, accept, language, expected) in cases {
            let headers = headers(accept, language);
            assert_eq!(reader(&method, &headers), expected, "{method} {accept} {language}");
        }
    }

    #[test]
    fn every_status_has_its_words_in_both_languages_and_nothing_of_a_detail_is_markup() {
        for status in [400, 401, 403, 404, 405, 421, 429, 500, 503] {
            let status = StatusCode::from_u16(status).expect("a status");
            let problem = reply::problem(status, ErrorCode::NotFound, "<script>\"&");
            let page = dress(problem, Language::Chinese);
            assert_eq!(page.status(), status);
            let problem = page.extensions().get::<Problem>();
            assert!(problem.is_none(), "it is a page now");
            let text = super::page(
                status,
                &Problem { code: ErrorCode::NotFound, detail: "<script>\"&".into() },
                Language::Chinese,
            );
            assert!(
                text.contains("<html lang=\"zh-CN\"") && text.contains("<section lang=\"en\">")
            );
            assert!(!text.contains("<script>") && text.contains("&lt;script&gt;&quot;&amp;"));
        }
        let plain = dress(reply::text(StatusCode::OK, "ok"), Language::English);
        assert_eq!(plain.headers()[header::CONTENT_TYPE], "text/plain; charset=utf-8");
    }
}
