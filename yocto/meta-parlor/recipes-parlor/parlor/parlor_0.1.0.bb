SUMMARY = "A private place to meet and to watch"
DESCRIPTION = "Rooms with text, sound and video for a house, its cameras as members of them, in one \
program: signaling, SFU and camera pipeline, reachable on the LAN without any other service."
SECTION = "multimedia"
LICENSE = "MIT"
LIC_FILES_CHKSUM = "file://LICENSE;md5=32bdfb268d9c940824c2983a524fb48a"

CVE_PRODUCT = "parlor"

DEPENDS = "gstreamer1.0 gstreamer1.0-plugins-bad gstreamer1.0-plugins-base"

# The crates, from Cargo.lock; made by scripts/update-crates.py.
require parlor-crates.inc

inherit cargo externalsrc pkgconfig systemd useradd

# The layer lies in parlor's own repository and builds what is checked out there.
PARLOR_SOURCE ?= "${@os.path.realpath(d.getVar('THISDIR') + '/../../../..')}"
EXTERNALSRC = "${PARLOR_SOURCE}"

SYSTEMD_SERVICE:${PN} = "parlor.service"

USERADD_PACKAGES = "${PN}"
# systemd makes it too, where that is new enough.
GROUPADD_PARAM:${PN} = "--system render"
USERADD_PARAM:${PN} = "--system --user-group --no-create-home --home-dir ${localstatedir}/lib/parlor \
    --shell ${base_sbindir}/nologin --groups audio,render,video parlor"

do_install:append() {
    install -D -m 0644 ${S}/systemd/parlor.service ${D}${systemd_system_unitdir}/parlor.service
    install -D -m 0644 ${S}/systemd/tmpfiles.d/parlor.conf ${D}${nonarch_libdir}/tmpfiles.d/parlor.conf
    # Every key with its default, commented out.
    install -D -m 0644 ${S}/systemd/parlor.toml ${D}${sysconfdir}/parlor/parlor.toml
    # The unit is written for a prefix of /usr.
    sed -i -e 's,/usr/bin/parlor,${bindir}/parlor,' ${D}${systemd_system_unitdir}/parlor.service
}

CONFFILES:${PN} = "${sysconfdir}/parlor/parlor.toml"
FILES:${PN} += "${systemd_system_unitdir}/parlor.service ${nonarch_libdir}/tmpfiles.d/parlor.conf"

# What the camera's pipelines are made of; without one of them the camera says what is missing, and
# everything else works.
RRECOMMENDS:${PN} = "\
    gstreamer1.0-plugins-bad-dtls \
    gstreamer1.0-plugins-bad-srtp \
    gstreamer1.0-plugins-bad-webrtc \
    gstreamer1.0-plugins-base-app \
    gstreamer1.0-plugins-base-audioconvert \
    gstreamer1.0-plugins-base-audioresample \
    gstreamer1.0-plugins-base-audiotestsrc \
    gstreamer1.0-plugins-base-opus \
    gstreamer1.0-plugins-base-pango \
    gstreamer1.0-plugins-base-videoconvertscale \
    gstreamer1.0-plugins-base-videorate \
    gstreamer1.0-plugins-base-videotestsrc \
    gstreamer1.0-plugins-good-rtp \
    gstreamer1.0-plugins-good-rtpmanager \
    gstreamer1.0-plugins-good-video4linux2 \
    gstreamer1.0-plugins-good-vpx \
    libnice \
"
