//! What a connection does, so that one that does nothing can be ended.
//!
//! ```text
//!  accepted --slow_timeout--> first request answered --idle_timeout--> end
//!                                    |  ^
//!    first byte of another head      v  | answered
//!                               head comes --slow_timeout--> end
//! ```
//!
//! hyper's own clock for a head runs between requests, too, so it cannot tell a browser that waits from
//! one that lets a head dribble.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::Notify,
    time::{Instant, sleep_until},
};

use crate::config::HttpSettings;

/// What one connection does.
#[derive(Debug)]
pub(super) struct Activity {
    start: Instant,
    n_busy: AtomicUsize,
    /// When the last request began or ended, in milliseconds after `start`; 0 before the first.
    last_ms: AtomicU64,
    /// When the first byte of a further head came, likewise; 0 while none is on its way.
    head_ms: AtomicU64,
    /// A head has begun: the end may be nearer than it was.
    begun: Notify,
}

/// A request that is being answered; dropping it ends that.
#[derive(Debug)]
pub(super) struct Busy(Arc<Activity>);

impl Activity {
    pub(super) fn new() -> Self {
        let (last_ms, head_ms) = (AtomicU64::new(0), AtomicU64::new(0));
        let n_busy = AtomicUsize::new(0);
        Self { start: Instant::now(), n_busy, last_ms, head_ms, begun: Notify::new() }
    }

    /// A request's head is there whole.
    pub(super) fn begin(self: &Arc<Self>) -> Busy {
        self.n_busy.fetch_add(1, Ordering::Relaxed);
        self.head_ms.store(0, Ordering::Relaxed);
        self.last_ms.store(self.now_ms(), Ordering::Relaxed);
        Busy(self.clone())
    }

    fn now_ms(&self) -> u64 {
        (self.start.elapsed().as_millis() as u64).max(1)
    }

    fn handle_bytes(&self) {
        let waits = self.n_busy.load(Ordering::Relaxed) == 0
            && self.last_ms.load(Ordering::Relaxed) > 0
            && self.head_ms.load(Ordering::Relaxed) == 0;
        if waits {
            self.head_ms.store(self.now_ms(), Ordering::Relaxed);
            self.begun.notify_one();
        }
    }

    /// Whether a further request's head is on its way.
    pub(super) fn head_has_begun(&self) -> bool {
        self.head_ms.load(Ordering::Relaxed) > 0
    }

    /// When it is to end if nothing happens until then.
    fn deadline(&self, http: &HttpSettings) -> Instant {
        let at = |ms| self.start + Duration::from_millis(ms);
        let (last_ms, head_ms) =
            (self.last_ms.load(Ordering::Relaxed), self.head_ms.load(Ordering::Relaxed));
        if self.n_busy.load(Ordering::Relaxed) > 0 {
            Instant::now() + http.idle_timeout
        } else if last_ms == 0 {
            self.start + http.slow_timeout
        } else if head_ms > 0 {
            (at(head_ms) + http.slow_timeout).min(at(last_ms) + http.idle_timeout)
        } else {
            at(last_ms) + http.idle_timeout
        }
    }

    /// Returns when the connection has done nothing for too long.
    pub(super) async fn overdue(&self, http: &HttpSettings) {
        loop {
            let due = self.deadline(http);
            if due <= Instant::now() {
                return;
            }
            tokio::select! {
                () = sleep_until(due) => {}
                () = self.begun.notified() => {}
            }
        }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.last_ms.store(self.0.now_ms(), Ordering::Relaxed);
        self.0.n_busy.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A connection of HTTP/1.1 that tells when a head begins. HTTP/2 has bytes of its own between
/// requests, and limits heads by itself.
#[derive(Debug)]
pub(super) struct Watched<S> {
    pub(super) stream: S,
    /// Nobody where it is not watched.
    pub(super) activity: Option<Arc<Activity>>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before
            && let Some(activity) = &self.activity
        {
            activity.handle_bytes();
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
