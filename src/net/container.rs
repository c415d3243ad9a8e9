//! Whether parlor itself runs in a container, and in which kind.
//!
//! Looked at once: a process does not change its container. What the signs mean is decided in
//! [`judge`], which is pure.

use std::path::Path;

/// What parlor runs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Container {
    /// A machine, real or virtual.
    #[default]
    None,
    /// A system's container, with an init and, as a rule, an address of the LAN: LXC, nspawn.
    System,
    /// An application's container: Docker, Podman, containerd, Kubernetes.
    Application,
}

/// What is to be seen of it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Signs<'a> {
    /// `/.dockerenv` or `/run/.containerenv` is there.
    pub marked: bool,
    /// `KUBERNETES_SERVICE_HOST` is set: each pod has it.
    pub kubernetes: bool,
    /// systemd's word for it (`/run/systemd/container`), or what PID 1 or we were told
    /// (`container=`).
    pub manager: Option<&'a str>,
    /// `/proc/self/mountinfo`
    pub mounts: &'a str,
    /// Our network is not that of the container's first process: somebody made it by hand, and what
    /// the container is says nothing of it.
    pub own_network: bool,
}

/// What these signs mean.
pub fn judge(signs: &Signs<'_>) -> Container {
    if signs.own_network {
        return Container::None;
    }
    let manager = signs.manager.map(str::trim).unwrap_or_default();
    let application = ["docker", "podman", "oci", "containerd", "cri-o", "rkt", "kubernetes"];
    // An image that was unpacked as a machine's disk has the mark still.
    let marked = signs.marked && !is_disk(signs.mounts);
    if marked || signs.kubernetes || application.contains(&manager) {
        return Container::Application;
    }
    if manager.starts_with("lxc") || manager == "systemd-nspawn" {
        return Container::System;
    }
    if is_layered(signs.mounts) {
        return Container::Application;
    }
    Container::None
}

/// Whether `/` is a whole file system on a disk, which no engine gives a container.
fn is_disk(mounts: &str) -> bool {
    let Some((fields, source)) = root(mounts) else { return false };
    let mut words = source.split(' ');
    let (kind, device) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    fields.split(' ').nth(3) == Some("/")
        && ["ext2", "ext3", "ext4", "xfs", "f2fs"].contains(&kind)
        && device.starts_with("/dev/")
        && !device.contains("docker")
}

/// What `mountinfo` says of `/` (proc(5)), before and after its hyphen.
fn root(mounts: &str) -> Option<(&str, &str)> {
    mounts.lines().find(|line| line.split(' ').nth(4) == Some("/"))?.split_once(" - ")
}

/// Whether `/` is put together from layers of an engine (containerd leaves no other mark). Live
/// systems and routers have an overlay as well, of other folders.
fn is_layered(mounts: &str) -> bool {
    let engines = ["containerd", "/docker/", "/containers/storage/", "/buildkit/", "/crio/"];
    let Some((_, source)) = root(mounts) else { return false };
    source.starts_with("overlay ") && engines.iter().any(|engine| source.contains(engine))
}

/// Looks at this system.
pub(super) fn detect() -> Container {
    let read = |path: &str| std::fs::read_to_string(path).ok();
    let told = std::env::var("container").ok();
    let network = |path: &str| std::fs::read_link(path).ok();
    // Where we may not look at it, it is taken to be the same.
    let first = network("/proc/1/ns/net");
    let own_network = first.is_some() && first != network("/proc/thread-self/ns/net");
    let manager = read("/run/systemd/container").or(told);
    judge(&Signs {
        marked: Path::new("/.dockerenv").exists() || Path::new("/run/.containerenv").exists(),
        kubernetes: std::env::var_os("KUBERNETES_SERVICE_HOST").is_some(),
        manager: manager.as_deref(),
        mounts: &read("/proc/self/mountinfo").unwrap_or_default(),
        own_network,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_is_known_by_what_it_leaves() {
        let overlay = |folder: &str| {
            format!("600 500 0:58 / / rw,relatime - overlay overlay rw,lowerdir={folder}/1/fs\n")
        };
        let containerd = overlay("/var/lib/containerd/io.containerd.snapshotter.v1.overlayfs");
        let router = overlay("/rom");
        let disk = "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n23 22 0:5 / /var/lib/docker/x rw - overlay \
                    overlay rw,lowerdir=/var/lib/docker/overlay2/x";
        let bound = "22 1 8:1 /var/lib/docker/vfs/dir/x / rw - ext4 /dev/sda1 rw";
        let signs = Signs::default();
        let cases = [
            (signs, Container::None),
            (Signs { marked: true, ..signs }, Container::Application),
            (Signs { kubernetes: true, ..signs }, Container::Application),
            (Signs { manager: Some("podman\n"), ..signs }, Container::Application),
            (Signs { manager: Some("lxc"), ..signs }, Container::System),
            (Signs { manager: Some("lxc-libvirt"), ..signs }, Container::System),
            (Signs { manager: Some("systemd-nspawn"), ..signs }, Container::System),
            (Signs { manager: Some("wsl"), ..signs }, Container::None),
            (Signs { mounts: &containerd, ..signs }, Container::Application),
            (Signs { mounts: &router, ..signs }, Container::None),
            (Signs { mounts: disk, ..signs }, Container::None),
            (Signs { marked: true, own_network: true, ..signs }, Container::None),
            (Signs { marked: true, mounts: disk, ..signs }, Container::None),
            (Signs { marked: true, mounts: bound, ..signs }, Container::Application),
            (Signs { kubernetes: true, mounts: disk, ..signs }, Container::Application),
            // Docker within LXC is Docker.
            (Signs { marked: true, manager: Some("lxc"), ..signs }, Container::Application),
        ];
        for (signs, expected) in cases {
            assert_eq!(judge(&signs), expected, "{signs:?}");
        }
    }
}
