//! Which capture devices become cameras, and how they are called.
//!
//! Owns the judgement over what `scan` has read, and the plan of what follows from a scan. PURE.

use std::{collections::BTreeMap, path::PathBuf};

use crate::{
    config::{AudioSource, CameraSettings, Unwatched, VideoSource},
    ids::{CameraId, RoomName},
};

const CAPTURE: u32 = 0x0000_0001;
const CAPTURE_MPLANE: u32 = 0x0000_1000;
const M2M: u32 = 0x0000_8000;
const M2M_MPLANE: u32 = 0x0000_4000;
const STREAMING: u32 = 0x0400_0000;

/// Drivers whose nodes look like cameras but are parts of one (the Raspberry Pi's image processors and
/// raw sensor interfaces): they need libcamera.
const NOT_CAMERAS: &[&str] = &["bcm2835-isp", "pispbe", "unicam", "rp1-cfe", "bcm2835-codec"];

/// Formats the capture pipeline takes, as V4L2 writes them.
const FORMATS: &[&[u8; 4]] = &[
    b"YUYV", b"YVYU", b"UYVY", b"VYUY", b"NV12", b"NV21", b"YU12", b"YV12", b"422P", b"MJPG",
    b"JPEG", b"RGB3", b"BGR3", b"XR24", b"BGR4", b"GREY",
];

/// The product's defaults of a camera.
const SIZE: (u32, u32) = (1280, 720);
const FPS: u32 = 30;
const BITRATE_BPS: u32 = 1_500_000;

/// What a device says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Device {
    /// Its node.
    pub path: PathBuf,
    /// The kernel's driver.
    pub driver: String,
    /// Its name for people.
    pub card: String,
    /// Where it is plugged in.
    pub bus: String,
    /// `device_caps` of `VIDIOC_QUERYCAP`.
    pub caps: u32,
    /// Formats it captures in.
    pub formats: Vec<[u8; 4]>,
}

/// What makes a device the same after it was unplugged and plugged in again: where, what, and which
/// of several alike.
pub type Key = (String, String, usize);

impl Device {
    /// Whether pictures can be had from it.
    pub fn is_camera(&self) -> bool {
        self.caps & (CAPTURE | CAPTURE_MPLANE) != 0
            && self.caps & STREAMING != 0
            && self.caps & (M2M | M2M_MPLANE) == 0
            && !NOT_CAMERAS.contains(&self.driver.as_str())
            && self.formats.iter().any(|format| FORMATS.contains(&format))
    }
}

/// What is to be done after a scan.
#[derive(Debug, Clone)]
pub enum Change {
    /// A camera that was never seen.
    Add(Key, Box<CameraSettings>),
    /// A known camera has another node.
    Move(Key, PathBuf),
    /// The test picture stands in: nothing was found.
    AddDemo,
    /// It need not stand in any more.
    RemoveDemo,
}

/// What is known from earlier scans.
#[derive(Debug, Default)]
pub struct Known {
    cameras: BTreeMap<Key, (CameraId, PathBuf)>,
    demo: bool,
}

impl Known {
    /// Takes in a scan. Cameras that are gone stay: their tiles say since when.
    pub fn update(&mut self, mut found: Vec<Device>, demo: bool, room: &RoomName) -> Vec<Change> {
        found.retain(Device::is_camera);
        found.sort_by_key(|device| (device.path.as_os_str().len(), device.path.clone()));
        let mut changes = Vec::new();
        let mut n_alike = BTreeMap::<(String, String), usize>::new();
        for device in found {
            let nth = n_alike.entry((device.bus.clone(), device.card.clone())).or_default();
            let key = (device.bus.clone(), device.card.clone(), *nth);
            *nth += 1;
            match self.cameras.get_mut(&key) {
                Some((_, path)) if *path == device.path => {}
                Some((_, path)) => {
                    path.clone_from(&device.path);
                    changes.push(Change::Move(key, device.path));
                }
                None => {
                    let id = self.unused_id(&device);
                    self.cameras.insert(key.clone(), (id.clone(), device.path.clone()));
                    changes.push(Change::Add(key, Box::new(settings(id, &device, room))));
                }
            }
        }
        let wanted = demo && self.cameras.is_empty();
        if wanted != self.demo {
            self.demo = wanted;
            changes.push(if wanted { Change::AddDemo } else { Change::RemoveDemo });
        }
        changes
    }

    /// The node's name, with a number where an earlier camera has that.
    fn unused_id(&self, device: &Device) -> CameraId {
        let name = device.path.file_name().map(|name| name.to_string_lossy().into_owned());
        let name: String =
            name.unwrap_or_default().chars().filter(char::is_ascii_alphanumeric).collect();
        let taken = |id: &CameraId| self.cameras.values().any(|(other, _)| other == id);
        std::iter::once(name.clone())
            .chain((2u32..).map(|n| format!("{name}-{n}")))
            .filter_map(|text| text.parse().ok())
            .find(|id| !taken(id))
            .expect("there are more numbers than cameras")
    }
}

fn settings(id: CameraId, device: &Device, room: &RoomName) -> CameraSettings {
    let card = device.card.trim();
    CameraSettings {
        name: if card.is_empty() { id.to_string() } else { card.to_owned() },
        id,
        source: VideoSource::V4l2(device.path.clone()),
        audio: None,
        room: room.clone(),
        size: SIZE,
        fps: FPS,
        bitrate_bps: BITRATE_BPS,
        encoder: None,
        unwatched: Unwatched::Close,
    }
}

/// The test picture with a clock. Smaller than a camera's: it shall cost next to nothing.
pub fn demo(room: &RoomName) -> CameraSettings {
    CameraSettings {
        id: "demo".parse().expect("a literal"),
        name: "Demo camera".into(),
        source: VideoSource::Test,
        audio: Some(AudioSource::Test),
        room: room.clone(),
        size: (640, 360),
        fps: 15,
        bitrate_bps: 500_000,
        encoder: None,
        unwatched: Unwatched::Close,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn webcam(path: &str, bus: &str) -> Device {
        Device {
            path: path.into(),
            driver: "uvcvideo".into(),
            card: "HD Webcam".into(),
            bus: bus.into(),
            caps: CAPTURE | STREAMING,
            formats: vec![*b"MJPG", *b"YUYV"],
        }
    }

    fn told(changes: &[Change]) -> Vec<String> {
        let tell = |change: &Change| match change {
            Change::Add(_, settings) => format!("add {}", settings.id),
            Change::Move((bus, _, nth), path) => format!("move {bus}.{nth} {}", path.display()),
            Change::AddDemo => "add demo".into(),
            Change::RemoveDemo => "remove demo".into(),
        };
        changes.iter().map(tell).collect()
    }

    #[test]
    fn only_what_gives_pictures_is_a_camera() {
        let camera = webcam("/dev/video0", "usb-1");
        assert!(camera.is_camera());
        let no = [
            Device { caps: 0x00a0_0000 | STREAMING, ..camera.clone() },
            Device { caps: CAPTURE, ..camera.clone() },
            Device { caps: CAPTURE_MPLANE | M2M_MPLANE | STREAMING, ..camera.clone() },
            Device { driver: "bcm2835-isp".into(), ..camera.clone() },
            Device { formats: vec![*b"pBAA"], ..camera.clone() },
            Device { formats: vec![], ..camera },
        ];
        for device in no {
            assert!(!device.is_camera(), "{device:?}");
        }
    }

    #[test]
    fn scans_add_move_and_never_remove() {
        let home = RoomName::parse("home").expect("a room");
        let mut known = Known::default();
        let mut scan = |found: &[Device]| told(&known.update(found.to_vec(), true, &home));
        assert_eq!(scan(&[]), ["add demo"]);
        assert_eq!(scan(&[]), [""; 0]);
        let (one, two) = (webcam("/dev/video0", "usb-1"), webcam("/dev/video2", "usb-2"));
        assert_eq!(scan(&[two.clone(), one.clone()]), ["add video0", "add video2", "remove demo"]);
        assert_eq!(scan(&[one.clone(), two.clone()]), [""; 0]);
        assert_eq!(scan(std::slice::from_ref(&two)), [""; 0], "its tile says that it is gone");
        assert_eq!(scan(&[]), [""; 0], "no test picture instead of a tile that tells");
        let elsewhere = webcam("/dev/video4", "usb-1");
        assert_eq!(scan(&[elsewhere, two.clone()]), ["move usb-1.0 /dev/video4"]);
        let third = webcam("/dev/video0", "usb-3");
        assert_eq!(scan(&[third, two]), ["add video0-2"]);
    }

    #[test]
    fn two_nodes_of_one_device_are_two_cameras() {
        let home = RoomName::parse("home").expect("a room");
        let found = vec![webcam("/dev/video10", "usb-1"), webcam("/dev/video2", "usb-1")];
        let changes = Known::default().update(found, false, &home);
        assert_eq!(told(&changes), ["add video2", "add video10"]);
    }
}
