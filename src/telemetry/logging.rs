//! Where log lines go: to the journal with their fields under systemd, readable to stderr otherwise.
//!
//! Owns the one subscriber of this process. A field `room` becomes `PARLOR_ROOM` in the journal, so
//! that `journalctl PARLOR_ROOM=home` tells a room's life. What an operator must read ([`NOTICE`]) is
//! written whatever the filter says. It does not rotate or keep anything.

use std::{
    fmt,
    io::{self, IsTerminal},
    os::fd::AsFd,
    sync::OnceLock,
};

use jiff::ZonedDateTime;
use tracing::{Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{
    EnvFilter, Registry,
    fmt::{format::Writer, time::FormatTime},
    layer::{Layer, SubscriberExt},
    registry::LookupSpan,
    reload,
    util::SubscriberInitExt,
};

/// Dependencies that warn of what is everyday life here. Written before the operator's own filter,
/// which wins where it names the same target.
///
/// `rtc_dtls` warns of every TLS extension it does not know, and browsers send several in each
/// handshake; `rtc_ice` and `webrtc` of candidates that lead nowhere; `rustls` of clients that do
/// not trust the box's own certificate.
const QUIET: &str = "rtc=error,rtc_dtls=error,rtc_ice=error,rtc_sctp=error,rtc_srtp=error,\
    rtc_interceptor=error,rtc_mdns=error,webrtc=error,rustls=error,h2=warn,hyper=warn,hyper_util=warn,\
    tungstenite=warn,tokio_tungstenite=warn";

/// The target of what an operator must read: URLs to open, why the service ends. No filter of theirs
/// leaves it out.
pub const NOTICE: &str = "parlor::notice";

/// The filter in force, once logging has begun.
static FILTER: OnceLock<reload::Handle<EnvFilter, Registry>> = OnceLock::new();

/// Starts logging with a filter that the configuration has checked. To be called once.
///
/// Where the journal cannot be reached although systemd listens, stderr serves, which systemd
/// passes on.
pub fn init(filter: &str) {
    let journal = stderr_is_journal(std::env::var("JOURNAL_STREAM").ok().as_deref(), io::stderr());
    let layer = journal.then(journal_layer).and_then(Result::ok).unwrap_or_else(|| {
        // systemd passes lines of stderr on with their level where they begin with `<3>`; without
        // the journal's socket that refinement is not worth a format of its own.
        stderr_layer(io::stderr, io::stderr().is_terminal(), LocalTime)
    });
    let (filter, handle) = reload::Layer::new(effective_filter(filter));
    // A second call (tests in one process) leaves the first subscriber in force.
    if tracing_subscriber::registry().with(layer.with_filter(filter)).try_init().is_ok() {
        let _ = FILTER.set(handle);
    }
}

/// Goes over to another filter, which the configuration has checked.
pub fn set_filter(filter: &str) {
    if let Some(handle) = FILTER.get() {
        // It fails only where the subscriber is gone, and nobody logs any more.
        let _ = handle.reload(effective_filter(filter));
    }
}

type AnyLayer<S> = Box<dyn Layer<S> + Send + Sync>;

fn journal_layer() -> io::Result<AnyLayer<Registry>> {
    let layer = tracing_journald::Layer::new()?
        .with_field_prefix(Some("PARLOR".to_owned()))
        .with_syslog_identifier("parlor".to_owned());
    Ok(layer.boxed())
}

fn stderr_layer<S, W>(writer: W, ansi: bool, time: LocalTime) -> AnyLayer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'w> tracing_subscriber::fmt::MakeWriter<'w> + Send + Sync + 'static,
{
    let layer = tracing_subscriber::fmt::layer().compact().with_timer(time).with_ansi(ansi);
    layer.with_writer(writer).boxed()
}

/// [`QUIET`] first, then what the operator wrote, at last [`NOTICE`]. A filter that does not parse was refused long
/// before; should one come here all the same, `info` is in force.
fn effective_filter(filter: &str) -> EnvFilter {
    let builder = EnvFilter::builder().with_default_directive(LevelFilter::INFO.into());
    let directives = format!("{QUIET},{filter},{NOTICE}=info");
    builder.parse(directives).unwrap_or_else(|_| EnvFilter::new("info"))
}

/// Whether `$JOURNAL_STREAM` (`DEVICE:INODE`, systemd.exec(5)) names this very stream. Comparing is
/// what the manual asks for: the variable is inherited by whoever redirects stderr.
fn stderr_is_journal(journal_stream: Option<&str>, stream: impl AsFd) -> bool {
    let Some((device, inode)) = journal_stream.and_then(|text| text.split_once(':')) else {
        return false;
    };
    let Ok(stat) = nix::sys::stat::fstat(stream) else { return false };
    device.parse() == Ok(stat.st_dev) && inode.parse() == Ok(stat.st_ino)
}

/// Local time as `2026-01-31 12:00:00.123 +01:00`.
#[derive(Debug, Clone, Copy)]
struct LocalTime;

impl LocalTime {
    fn write(now: &ZonedDateTime, w: &mut impl fmt::Write) -> fmt::Result {
        write!(w, "{}", now.strftime("%Y-%m-%d %H:%M:%S%.3f %:z"))
    }
}

impl FormatTime for LocalTime {
    fn format_time(&self, w: &mut Writer<'_>) -> fmt::Result {
        Self::write(&ZonedDateTime::now(), w)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        os::linux::fs::MetadataExt,
        sync::{Arc, Mutex},
    };

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(filter: &str) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let layer = stderr_layer(move || writer.clone(), false, LocalTime);
        let subscriber =
            tracing_subscriber::registry().with(layer.with_filter(effective_filter(filter)));
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(target: "parlor::rooms", room = "home", "joined");
            tracing::debug!(target: "parlor::sfu", "detail");
            tracing::warn!(target: "rtc_dtls::handshake", "unknown extension");
            tracing::error!(target: "rtc_dtls::conn", "broken");
            tracing::info!(target: NOTICE, "open https://attic:8172");
        });
        let bytes = lines.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_line_is_readable_and_chatter_of_dependencies_is_left_out() {
        let text = logged("info");
        assert!(text.contains("INFO parlor::rooms: joined room=\"home\""), "{text}");
        assert!(!text.contains("unknown extension") && !text.contains("detail"), "{text}");
        assert!(text.contains("broken"), "{text}");
        assert!(!text.contains('\u{1b}'), "{text}");
    }

    #[test]
    fn the_operators_filter_wins() {
        let text = logged("parlor::sfu=debug,rtc_dtls=warn,info");
        assert!(text.contains("detail") && text.contains("unknown extension"), "{text}");
    }

    #[test]
    fn what_an_operator_must_read_is_written_whatever_the_filter_says() {
        for filter in ["off", "error", "parlor=off", "parlor::notice=off", "parlor::sfu=debug"] {
            let text = logged(filter);
            assert!(text.contains("open https://attic:8172"), "{filter}: {text}");
            assert!(!text.contains("joined"), "{filter}: {text}");
        }
    }

    #[test]
    fn only_the_very_stream_is_the_journal() {
        let file = std::fs::File::open("/dev/null").unwrap();
        let meta = file.metadata().unwrap();
        let right = format!("{}:{}", meta.st_dev(), meta.st_ino());
        let wrong = format!("{}:{}", meta.st_dev(), meta.st_ino() + 1);
        assert!(stderr_is_journal(Some(&right), &file));
        for other in [Some(wrong.as_str()), Some("8"), Some("a:b"), Some(""), None] {
            assert!(!stderr_is_journal(other, &file), "{other:?}");
        }
    }

    #[test]
    fn time_is_local_and_says_so() {
        let mut text = String::new();
        let zone = jiff::tz::TimeZone::fixed(jiff::tz::Offset::from_seconds(-12_600).unwrap());
        let at = jiff::Timestamp::UNIX_EPOCH.to_zoned_datetime(zone);
        LocalTime::write(&at, &mut text).unwrap();
        assert_eq!(text, "1969-12-31 20:30:00.000 -03:30");
    }
}
