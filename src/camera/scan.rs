//! What capture devices there are: `/dev/video*`, asked one by one.
//!
//! Owns the ioctls (V4L2: `VIDIOC_QUERYCAP`, `VIDIOC_ENUM_FMT`). GStreamer's device monitor would need
//! udev, which neither containers nor small systems run. A node is asked again only when it is another
//! one (opening wakes a sleeping webcam). Blocks for microseconds a node.

use std::{
    collections::BTreeMap,
    ffi::c_ulong,
    fs::{self, File, OpenOptions},
    os::{
        fd::AsRawFd,
        unix::fs::{MetadataExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
};

use super::devices::Device;

const QUERYCAP: c_ulong = 0x8068_5600;
const ENUM_FMT: c_ulong = 0xc040_5602;
/// `device_caps` is filled in.
const HAS_DEVICE_CAPS: u32 = 0x8000_0000;
/// `V4L2_BUF_TYPE_VIDEO_CAPTURE`, `_MPLANE`
const BUFFER_TYPES: [u32; 2] = [1, 9];
/// More formats than any device has.
const MAX_FORMATS: u32 = 64;

/// `struct v4l2_capability`
#[repr(C)]
#[derive(Default)]
struct Capability {
    driver: [u8; 16],
    card: [u8; 32],
    bus_info: [u8; 32],
    version: u32,
    capabilities: u32,
    device_caps: u32,
    reserved: [u32; 3],
}

/// `struct v4l2_fmtdesc`
#[repr(C)]
#[derive(Default)]
struct FormatDescription {
    index: u32,
    kind: u32,
    flags: u32,
    description: [u8; 32],
    pixel_format: [u8; 4],
    mbus_code: u32,
    reserved: [u32; 3],
}

// The sizes are part of the ioctls' numbers.
const _: () = assert!(size_of::<Capability>() == 0x68 && size_of::<FormatDescription>() == 0x40);

/// Node, inode, device number, seconds and nanoseconds of its last change.
type Identity = (PathBuf, u64, u64, i64, i64);

/// Remembers what nodes have said.
#[derive(Debug, Default)]
pub struct Scanner {
    known: BTreeMap<Identity, Option<Device>>,
}

impl Scanner {
    /// All video devices there are now.
    pub fn scan(&mut self) -> Vec<Device> {
        self.scan_in(Path::new("/dev"), ask_logged)
    }

    fn scan_in(
        &mut self,
        folder: &Path,
        mut ask: impl FnMut(&Path) -> Option<Device>,
    ) -> Vec<Device> {
        let identities: Vec<Identity> = nodes(folder).collect();
        let mut known = std::mem::take(&mut self.known);
        for identity in identities {
            let device = known.remove(&identity).unwrap_or_else(|| ask(&identity.0));
            self.known.insert(identity, device);
        }
        self.known.values().flatten().cloned().collect()
    }
}

fn nodes(folder: &Path) -> impl Iterator<Item = Identity> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| {
        let name = entry.file_name();
        let number = name.to_str()?.strip_prefix("video")?;
        number.parse::<u32>().ok()?;
        let path = entry.path();
        let metadata = fs::metadata(&path).ok()?;
        Some((path, metadata.ino(), metadata.rdev(), metadata.ctime(), metadata.ctime_nsec()))
    })
}

fn ask_logged(path: &Path) -> Option<Device> {
    match ask(path) {
        Ok(device) => Some(device),
        Err(error) => {
            // Once a node: the outcome is remembered.
            tracing::warn!(device = %path.display(), %error, "video device cannot be asked");
            None
        }
    }
}

fn ask(path: &Path) -> std::io::Result<Device> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC)
        .open(path)?;
    let mut capability = Capability::default();
    ioctl(&file, QUERYCAP, &mut capability)?;
    let caps = if capability.capabilities & HAS_DEVICE_CAPS != 0 {
        capability.device_caps
    } else {
        capability.capabilities
    };
    Ok(Device {
        path: path.to_owned(),
        driver: text(&capability.driver),
        card: text(&capability.card),
        bus: text(&capability.bus_info),
        caps,
        formats: formats(&file),
    })
}

fn formats(file: &File) -> Vec<[u8; 4]> {
    let of_kind = |kind: u32| {
        (0..MAX_FORMATS).map_while(move |index| {
            let mut format = FormatDescription { index, kind, ..FormatDescription::default() };
            ioctl(file, ENUM_FMT, &mut format).ok().map(|()| format.pixel_format)
        })
    };
    BUFFER_TYPES.into_iter().flat_map(of_kind).collect()
}

fn ioctl<T>(file: &File, request: c_ulong, argument: &mut T) -> std::io::Result<()> {
    // SAFETY: the request's number holds the size of the structure it reads and writes, and both are
    // held against each other above; the descriptor is open. What is no video device refuses.
    let outcome = unsafe { libc::ioctl(file.as_raw_fd(), request as _, argument as *mut T) };
    if outcome < 0 { Err(std::io::Error::last_os_error()) } else { Ok(()) }
}

fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_video_device_is_refused() {
        assert!(ask(Path::new("/dev/null")).is_err());
        assert!(ask(Path::new("/dev/video-that-is-not-there")).is_err());
    }

    #[test]
    fn each_node_is_asked_once_until_it_is_another() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        let make = |name: &str| fs::write(path(name), "").expect("a file");
        for name in ["video0", "video10", "video-x", "video", "audio1"] {
            make(name);
        }
        let mut scanner = Scanner::default();
        // What is no camera (None) is remembered as well.
        let mut scan = || {
            let mut asked = Vec::new();
            let devices = scanner.scan_in(folder.path(), |path| {
                asked.push(path.file_name().expect("a name").to_str().expect("text").to_owned());
                path.ends_with("video0").then(|| Device {
                    path: path.to_owned(),
                    driver: "uvcvideo".into(),
                    card: "Camera".into(),
                    bus: "usb-1".into(),
                    caps: 0,
                    formats: Vec::new(),
                })
            });
            asked.sort();
            (devices.len(), asked)
        };
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        assert_eq!(scan(), (1, names(&["video0", "video10"])));
        assert_eq!(scan(), (1, names(&[])));
        // Another device under the same name: the old node is kept so that its inode is not reused.
        fs::rename(path("video10"), path("gone")).expect("renamed");
        make("video10");
        assert_eq!(scan(), (1, names(&["video10"])));
        fs::remove_file(path("video0")).expect("removed");
        assert_eq!(scan(), (0, names(&[])));
    }

    #[test]
    fn texts_end_at_their_zero() {
        assert_eq!(text(b"uvcvideo\0\0\0"), "uvcvideo");
        assert_eq!(text(b"full"), "full");
        assert_eq!(text(b"\xff\0"), "\u{fffd}");
    }
}
