//! Where log lines go: to the journal with their fields under systemd, readable to stderr otherwise.
//!
//! Owns the one subscriber of this process. A field `room` becomes `PARLOR_ROOM` in the journal, so
//! that `journalctl PARLOR_ROOM=home` tells a room's life. It does not rotate or keep anything.

use std::{
    fmt,
    io::{self, IsTerminal},
    os::fd::AsFd,
};

use time::{OffsetDateTime, UtcOffset, format_description::BorrowedFormatItem, macros};
use tracing::{Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{
    EnvFilter, Registry,
    fmt::{format::Writer, time::FormatTime},
    layer::{Layer, SubscriberExt},
    registry::LookupSpan,
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

/// Starts logging with a filter that the configuration has checked. To be called once, before
/// threads are started: the offset of local time can be asked for only then.
///
/// Where the journal cannot be reached although systemd listens, stderr serves, which systemd
/// passes on.
pub fn init(filter: &str) {
    let journal = stderr_is_journal(std::env::var("JOURNAL_STREAM").ok().as_deref(), io::stderr());
    let layer = journal.then(journal_layer).and_then(Result::ok).unwrap_or_else(|| {
        // systemd passes lines of stderr on with their level where they begin with `<3>`; without
        // the journal's socket that refinement is not worth a format of its own.
        stderr_layer(io::stderr, io::stderr().is_terminal(), LocalTime::now_here())
    });
    // A second call (tests in one process) leaves the first subscriber in force.
    let _ =
        tracing_subscriber::registry().with(layer.with_filter(effective_filter(filter))).try_init();
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

/// [`QUIET`] first, then what the operator wrote. A filter that does not parse was refused long
/// before; should one come here all the same, `info` is in force.
fn effective_filter(filter: &str) -> EnvFilter {
    let builder = EnvFilter::builder().with_default_directive(LevelFilter::INFO.into());
    builder.parse(format!("{QUIET},{filter}")).unwrap_or_else(|_| EnvFilter::new("info"))
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

/// Local time as `2026-01-31 12:00:00.123 +01:00`. The offset is that of the start: it is printed,
/// so that a line tells the truth even after the clocks have changed.
#[derive(Debug, Clone, Copy)]
struct LocalTime {
    offset: UtcOffset,
}

impl LocalTime {
    fn now_here() -> Self {
        Self { offset: UtcOffset::current_local_offset().unwrap_or(UtcOffset::UTC) }
    }

    fn write(self, now: OffsetDateTime, w: &mut impl fmt::Write) -> fmt::Result {
        const FORMAT: &[BorrowedFormatItem<'_>] = macros::format_description!(
            "[year]-[month]-[day] [hour]:[minute]:[second].[subsecond digits:3] \
             [offset_hour sign:mandatory]:[offset_minute]"
        );
        let text = now.to_offset(self.offset).format(FORMAT).map_err(|_| fmt::Error)?;
        w.write_str(&text)
    }
}

impl FormatTime for LocalTime {
    fn format_time(&self, w: &mut Writer<'_>) -> fmt::Result {
        self.write(OffsetDateTime::now_utc(), w)
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
        let time = LocalTime { offset: UtcOffset::from_hms(8, 0, 0).unwrap() };
        let layer = stderr_layer(move || writer.clone(), false, time);
        let subscriber =
            tracing_subscriber::registry().with(layer.with_filter(effective_filter(filter)));
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(target: "parlor::rooms", room = "home", "joined");
            tracing::debug!(target: "parlor::sfu", "detail");
            tracing::warn!(target: "rtc_dtls::handshake", "unknown extension");
            tracing::error!(target: "rtc_dtls::conn", "broken");
        });
        let bytes = lines.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_line_is_readable_and_chatter_of_dependencies_is_left_out() {
        let text = logged("info");
        assert!(text.contains("INFO parlor::rooms: joined room=\"home\""), "{text}");
        assert!(text.contains(" +08:00 "), "{text}");
        assert!(!text.contains("unknown extension") && !text.contains("detail"), "{text}");
        assert!(text.contains("broken"), "{text}");
        assert!(!text.contains('\u{1b}'), "{text}");
    }

    #[test]
    fn the_operators_filter_wins() {
        let text = logged("parlor::sfu=debug,rtc_dtls=warn,info");
        assert!(text.contains("detail") && text.contains("unknown extension"), "{text}");
        let text = logged("off");
        assert!(!text.contains("joined"), "{text}");
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
        let time = LocalTime { offset: UtcOffset::from_hms(-3, -30, 0).unwrap() };
        time.write(OffsetDateTime::UNIX_EPOCH, &mut text).unwrap();
        assert_eq!(text, "1969-12-31 20:30:00.000 -03:30");
    }
}
