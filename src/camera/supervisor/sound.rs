//! A microphone that fails: the picture goes on without it, and it comes back by itself.
//!
//! Owns what is remembered meanwhile. The capture is started anew without sound, at once and without a
//! fault shown, for there is a picture. Now and then the microphone is tried alone, so that the picture
//! is not disturbed for one that still gives nothing.

use std::time::Duration;

use tokio::task::{AbortHandle, spawn_blocking};
use tracing::{info, warn};

use super::{
    super::{cause::Cause, encoder::Codec, house::House, probe, state::Phase},
    Report, Supervisor,
};
use crate::config::CameraSettings;

/// A microphone that does not work is tried again after this time.
const TRY_AGAIN: Duration = Duration::from_secs(30);

/// The microphone is left out; dropping it ends the tries.
#[derive(Debug)]
pub(super) struct Silence {
    trying: AbortHandle,
}

impl Drop for Silence {
    fn drop(&mut self) {
        self.trying.abort();
    }
}

impl<H: House> Supervisor<H> {
    /// What is to be captured now: as configured, without a microphone that does not work.
    pub(super) fn effective(&self) -> CameraSettings {
        let mut settings = self.settings.borrow().clone();
        if self.silence.is_some() {
            settings.audio = None;
        }
        settings
    }

    /// Whether there should be sound now.
    pub(super) fn hears(&self) -> bool {
        self.effective().audio.is_some()
    }

    /// Goes on without the microphone.
    pub(super) fn fall_silent(&mut self, cause: &Cause) {
        let Some(microphone) = self.settings.borrow().audio.clone() else { return };
        warn!(camera = %self.settings.borrow().id, %cause, "the picture goes on without sound");
        let sender = self.sender.clone();
        let trying = tokio::spawn(async move {
            loop {
                tokio::time::sleep(TRY_AGAIN).await;
                let tried = microphone.clone();
                if spawn_blocking(move || probe::hears(&tried)).await.unwrap_or(false) {
                    break;
                }
            }
            // overflow: awaited; nothing else brings the sound back.
            let _ = sender.send((0, Report::SoundBack)).await;
        });
        self.silence = Some(Silence { trying: trying.abort_handle() });
        self.start_capture();
    }

    /// The microphone gives sound: it is taken in again.
    pub(super) fn sound_is_back(&mut self) {
        if self.silence.take().is_some() && self.capture.running.is_some() {
            info!(camera = %self.settings.borrow().id, "the microphone is back");
            self.start_capture();
        }
    }

    /// Whether the publisher that is up or starting cannot take what the capture gives now. One whose
    /// viewers have sound already stays when that ends; one that has not got that far waits for it.
    pub(super) fn has_to_be_made_anew(&self, codec: Codec) -> bool {
        let hears = self.hears();
        self.spoken.is_some_and(|(spoken, sound)| {
            let lacks = hears && !sound;
            let waits = sound && !hears && self.machine.phase() != Phase::Live;
            spoken != codec || lacks || waits
        })
    }
}
