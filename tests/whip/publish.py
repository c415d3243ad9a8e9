#!/usr/bin/python3
"""A WHIP publisher that is none of ours: GStreamer's webrtcbin with as little glue as will do.

usage: publish.py URL CA {h264,vp8}      e.g. https://127.0.0.1:8172/whip/studio DATA/ca.crt h264

Publishes a moving test picture and a tone until SIGTERM, then ends its session by DELETE.
Needs python3-gi and gir1.2-gst-plugins-bad-1.0, with GStreamer's base, good, bad, ugly and nice plugins.
"""

import signal
import ssl
import sys
import urllib.error
import urllib.parse
import urllib.request

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstSdp", "1.0")
gi.require_version("GstWebRTC", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402

VIDEO = {
    "h264": "x264enc tune=zerolatency speed-preset=ultrafast bitrate=800 key-int-max=120 "
    "! video/x-h264,profile=constrained-baseline ! rtph264pay pt=96 config-interval=-1 "
    "! application/x-rtp,media=video,encoding-name=H264,payload=96,packetization-mode=(string)1",
    "vp8": "vp8enc deadline=1 target-bitrate=800000 keyframe-max-dist=120 ! rtpvp8pay pt=97 "
    "! application/x-rtp,media=video,encoding-name=VP8,payload=97",
}


class Publisher:
    """One WHIP session."""

    def __init__(self, url, ca, codec, loop):
        self.url, self.loop, self.session = url, loop, None
        self.tls = ssl.create_default_context(cafile=ca)
        self.pipeline = Gst.parse_launch(
            "webrtcbin name=peer bundle-policy=max-bundle "
            "videotestsrc is-live=true pattern=ball ! video/x-raw,width=640,height=360,framerate=15/1 "
            f"! videoconvert ! {VIDEO[codec]} ! peer. "
            "audiotestsrc is-live=true volume=0.1 ! audioconvert ! opusenc ! rtpopuspay pt=111 "
            "! application/x-rtp,media=audio,encoding-name=OPUS,payload=111 ! peer."
        )
        self.peer = self.pipeline.get_by_name("peer")
        self.peer.connect("on-negotiation-needed", lambda _: self.offer())
        self.peer.connect("notify::connection-state", lambda peer, _: self.state(peer))
        bus = self.pipeline.get_bus()
        bus.add_signal_watch()
        bus.connect("message::error", lambda _, message: self.fail(message.parse_error()))
        self.pipeline.set_state(Gst.State.PLAYING)

    def fail(self, why):
        print(f"publisher: {why}", file=sys.stderr, flush=True)
        self.loop.quit()

    def state(self, peer):
        state = peer.get_property("connection-state").value_nick
        print(f"publisher: {state}", flush=True)

    def request(self, method, url, body=None):
        request = urllib.request.Request(url, data=body, method=method)
        if body is not None:
            request.add_header("Content-Type", "application/sdp")
        return urllib.request.urlopen(request, context=self.tls, timeout=10)

    def offer(self):
        index = 0
        while (transceiver := self.peer.emit("get-transceiver", index)) is not None:
            transceiver.set_property("direction", GstWebRTC.WebRTCRTPTransceiverDirection.SENDONLY)
            transceiver.set_property("do-nack", True)
            index += 1
        self.peer.emit("create-offer", None, Gst.Promise.new_with_change_func(self.offered))

    def offered(self, promise):
        # The offer is the reply's own, and gone with it.
        reply = promise.get_reply()
        offer = reply.get_value("offer")
        self.peer.emit("set-local-description", offer, Gst.Promise.new())
        GLib.idle_add(self.post, offer.sdp.as_text())

    def post(self, offer):
        try:
            with self.request("POST", self.url, offer.encode()) as answer:
                self.session = urllib.parse.urljoin(self.url, answer.headers["Location"])
                text = answer.read().decode()
        except urllib.error.HTTPError as error:
            self.fail(f"{error}: {error.read().decode()}")
            return False
        _, sdp = GstSdp.SDPMessage.new_from_text(text)
        description = GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.ANSWER, sdp)
        self.peer.emit("set-remote-description", description, Gst.Promise.new())
        return False

    def close(self):
        if self.session:
            print(f"publisher: DELETE {self.request('DELETE', self.session).status}", flush=True)
        self.pipeline.set_state(Gst.State.NULL)


def main():
    url, ca, codec = sys.argv[1:]
    Gst.init(None)
    loop = GLib.MainLoop()
    publisher = Publisher(url, ca, codec, loop)
    GLib.unix_signal_add(GLib.PRIORITY_DEFAULT, signal.SIGTERM, loop.quit)
    loop.run()
    publisher.close()


main()
