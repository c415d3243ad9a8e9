//! Why a camera gives no picture, as a sentence for its tile.
//!
//! Owns the translation of GStreamer's errors into causes. Deliberately does not decide what follows
//! from one: that is `state`. PURE: error codes and texts in, causes out.
//!
//! Codes are looked at before texts, because GStreamer translates its texts by the locale.

use std::fmt;

/// Elements of the capture that only the sound passes.
const SOUND_ELEMENTS: [&str; 5] =
    ["alsasrc", "audiotestsrc", "audioconvert", "audioresample", "opusenc"];

/// Why there is no picture. `Display` is a sentence without its full stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// It worked and is gone.
    Unplugged,
    /// The device node is not there.
    Absent,
    /// Another program has it.
    Busy,
    /// This process may not open it.
    Denied,
    /// It opens but gives nothing of the size and formats asked for.
    NoFormat,
    /// It opens but no picture came in time.
    NoPicture,
    /// Pictures came and stopped coming.
    Stalled,
    /// The same for the microphone.
    Microphone(Box<Cause>),
    /// No encoder on this machine works.
    NoEncoder,
    /// The configured encoder does not work here.
    EncoderFails(String),
    /// The configured encoder is none that parlor knows.
    EncoderUnknown(String),
    /// The encoder stopped by itself: its GStreamer name.
    EncoderStopped(String),
    /// A GStreamer element is not installed.
    ElementMissing(String),
    /// The source is accepted in the configuration and not built yet.
    NotBuilt(&'static str),
    /// The media plane did not take the camera's connection.
    NoPath(String),
    /// The room did not take the camera in.
    NoRoom(String),
    /// The owner has closed it: who that was.
    Closed(String),
    /// Anything else, in GStreamer's words.
    Other(String),
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unplugged => f.write_str("The camera was unplugged"),
            Self::Absent => f.write_str("The camera is not there"),
            Self::Busy => f.write_str("The camera is busy: another program is using it"),
            Self::Denied => f.write_str("The camera may not be opened: parlor is not in its group"),
            Self::NoFormat => f.write_str("The camera gives no picture of the configured size"),
            Self::NoPicture => f.write_str("The camera is open but sends no picture"),
            Self::Stalled => f.write_str("The camera has stopped sending"),
            Self::Microphone(cause) => write_microphone(f, cause),
            Self::NoEncoder => f.write_str("No video encoder works on this box"),
            Self::EncoderFails(name) => write!(f, "The video encoder {name} does not work here"),
            Self::EncoderUnknown(name) => write!(f, "The video encoder {name} is not known"),
            Self::EncoderStopped(name) => write!(f, "The video encoder {name} has stopped"),
            Self::ElementMissing(name) => write!(f, "GStreamer's {name} is not installed"),
            Self::NotBuilt(source) => write!(f, "Cameras of the kind {source} come later"),
            Self::NoPath(why) => write!(f, "The camera's connection inside the box failed: {why}"),
            Self::NoRoom(why) => write!(f, "The camera could not enter its room: {why}"),
            Self::Closed(who) => write!(f, "The camera was closed by {who}"),
            Self::Other(why) => write!(f, "The camera failed: {why}"),
        }
    }
}

impl Cause {
    /// A stable word for it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unplugged => "unplugged",
            Self::Absent => "absent",
            Self::Busy => "busy",
            Self::Denied => "denied",
            Self::NoFormat => "no-format",
            Self::NoPicture => "no-picture",
            Self::Stalled => "stalled",
            Self::Microphone(_) => "microphone",
            Self::NoEncoder => "no-encoder",
            Self::EncoderFails(_) => "encoder-fails",
            Self::EncoderUnknown(_) => "encoder-unknown",
            Self::EncoderStopped(_) => "encoder-stopped",
            Self::ElementMissing(_) => "element-missing",
            Self::NotBuilt(_) => "not-built",
            Self::NoPath(_) => "no-path",
            Self::NoRoom(_) => "no-room",
            Self::Closed(_) => "closed",
            Self::Other(_) => "failed",
        }
    }

    /// What the code leaves open.
    pub fn detail(&self) -> Option<String> {
        match self {
            Self::Microphone(cause) => Some(cause.to_string()),
            Self::NotBuilt(what) => Some((*what).to_owned()),
            Self::EncoderFails(what)
            | Self::EncoderUnknown(what)
            | Self::EncoderStopped(what)
            | Self::ElementMissing(what)
            | Self::NoPath(what)
            | Self::NoRoom(what)
            | Self::Closed(what)
            | Self::Other(what) => Some(what.clone()),
            _ => None,
        }
    }

    /// True if the picture is as good as it can be, and only the sound is missing.
    pub fn is_of_sound(&self) -> bool {
        match self {
            Self::Microphone(_) => true,
            Self::ElementMissing(name) => SOUND_ELEMENTS.contains(&name.as_str()),
            _ => false,
        }
    }
}

fn write_microphone(f: &mut fmt::Formatter<'_>, cause: &Cause) -> fmt::Result {
    let what = match cause {
        Cause::Unplugged => "was unplugged",
        Cause::Absent => "is not there",
        Cause::Busy => "is busy: another program is using it",
        other => return write!(f, "The camera's microphone does not work: {other}"),
    };
    write!(f, "The camera's microphone {what}")
}

/// Which part of the capture an element belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The camera itself, and what has no other place.
    Picture,
    /// The microphone.
    Sound,
    /// The video encoder.
    Encoder,
}

/// What an error message is about, by its domain and code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorCode {
    /// `GST_RESOURCE_ERROR_BUSY`
    Busy,
    /// `GST_RESOURCE_ERROR_NOT_FOUND`
    NotFound,
    /// `GST_RESOURCE_ERROR_OPEN_*`
    Open,
    /// `GST_RESOURCE_ERROR_READ`, `_SYNC`
    Read,
    /// `GST_RESOURCE_ERROR_NOT_AUTHORIZED`
    NotAuthorized,
    /// `GST_CORE_ERROR_MISSING_PLUGIN`
    MissingPlugin,
    /// `GST_CORE_ERROR_NEGOTIATION`, `GST_STREAM_ERROR_FORMAT`
    Negotiation,
    /// Any other.
    Other,
}

/// An error message from a capture pipeline.
#[derive(Debug, Clone)]
pub struct GstFault<'a> {
    /// Where it comes from.
    pub place: Place,
    /// The encoder of this capture.
    pub encoder: &'a str,
    /// What it is about.
    pub code: ErrorCode,
    /// Its text, perhaps translated.
    pub text: &'a str,
    /// Its details, perhaps with an errno's text.
    pub debug: &'a str,
    /// The device node is there now; true where the source has none.
    pub device_is_there: bool,
    /// Pictures came before it.
    pub was_live: bool,
}

impl GstFault<'_> {
    /// What is wrong.
    pub fn cause(&self) -> Cause {
        match self.place {
            Place::Picture => self.device_cause(),
            Place::Sound => Cause::Microphone(Box::new(self.device_cause())),
            Place::Encoder => Cause::EncoderStopped(self.encoder.to_owned()),
        }
    }

    fn device_cause(&self) -> Cause {
        let says = |words: &str| self.debug.contains(words) || self.text.contains(words);
        let gone = if self.was_live { Cause::Unplugged } else { Cause::Absent };
        if !self.device_is_there {
            return gone;
        }
        match self.code {
            ErrorCode::Busy => Cause::Busy,
            ErrorCode::NotFound => gone,
            ErrorCode::NotAuthorized => Cause::Denied,
            ErrorCode::MissingPlugin => Cause::ElementMissing(self.text.to_owned()),
            _ if says("Device or resource busy") => Cause::Busy,
            _ if says("Permission denied") || says("Operation not permitted") => Cause::Denied,
            _ if says("No such device") || says("No such file") => gone,
            // A node that can be read no more, while it was: the cable is out, the node lingers.
            ErrorCode::Read if self.was_live => Cause::Unplugged,
            _ if says("not-negotiated") => Cause::NoFormat,
            ErrorCode::Negotiation => Cause::NoFormat,
            ErrorCode::Open => Cause::Absent,
            _ => Cause::Other(self.text.trim_end_matches('.').to_owned()),
        }
    }
}

/// The cause to go on showing when `new` follows `shown` without a picture between them.
pub fn lasting(shown: Option<&Cause>, new: Cause) -> Cause {
    match (shown, &new) {
        // Trying to open what was unplugged finds nothing; "unplugged" says more.
        (Some(Cause::Unplugged), Cause::Absent) => Cause::Unplugged,
        _ => new,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Code, debug text, device there, was live: as v4l2src of GStreamer 1.22 was seen to say it.
    const CASES: &[(ErrorCode, &str, bool, bool, Cause)] = &[
        (ErrorCode::Read, "poll error 1: Invalid argument", true, true, Cause::Unplugged),
        (ErrorCode::Other, "streaming stopped, reason error (-5)", false, true, Cause::Unplugged),
        (ErrorCode::Open, "system error: No such device", true, false, Cause::Absent),
        (ErrorCode::NotFound, "Cannot identify device '/dev/video9'.", false, false, Cause::Absent),
        (ErrorCode::Busy, "Call to S_FMT failed", true, false, Cause::Busy),
        (ErrorCode::Other, "STREAMON: Device or resource busy", true, false, Cause::Busy),
        (ErrorCode::Open, "system error: Permission denied", true, false, Cause::Denied),
        (ErrorCode::Other, "reason not-negotiated (-4)", true, false, Cause::NoFormat),
        (ErrorCode::Negotiation, "", true, false, Cause::NoFormat),
    ];

    #[test]
    fn an_error_of_the_device_becomes_a_sentence() {
        for (code, debug, device_is_there, was_live, expected) in CASES {
            let mut fault = GstFault {
                place: Place::Picture,
                encoder: "x264enc",
                code: *code,
                text: "Text of the locale.",
                debug,
                device_is_there: *device_is_there,
                was_live: *was_live,
            };
            assert_eq!(fault.cause(), *expected, "{debug}");
            fault.place = Place::Sound;
            assert_eq!(fault.cause(), Cause::Microphone(Box::new(expected.clone())), "{debug}");
        }
    }

    #[test]
    fn a_fault_of_the_sound_is_told_from_one_of_the_picture() {
        let sound = [
            Cause::Microphone(Box::new(Cause::Busy)),
            Cause::ElementMissing("alsasrc".into()),
            Cause::ElementMissing("opusenc".into()),
        ];
        let picture =
            [Cause::Busy, Cause::ElementMissing("videoconvert".into()), Cause::NotBuilt("rtsp")];
        assert!(sound.iter().all(Cause::is_of_sound));
        assert!(!picture.iter().any(Cause::is_of_sound));
    }

    #[test]
    fn what_is_not_understood_is_repeated() {
        let fault = GstFault {
            place: Place::Picture,
            encoder: "x264enc",
            code: ErrorCode::Other,
            text: "The lens cap is on.",
            debug: "",
            device_is_there: true,
            was_live: false,
        };
        assert_eq!(fault.cause().to_string(), "The camera failed: The lens cap is on");
    }

    #[test]
    fn unplugged_stays_unplugged_until_there_is_a_picture() {
        assert_eq!(lasting(Some(&Cause::Unplugged), Cause::Absent), Cause::Unplugged);
        assert_eq!(lasting(Some(&Cause::Unplugged), Cause::Busy), Cause::Busy);
        assert_eq!(lasting(None, Cause::Absent), Cause::Absent);
    }
}
