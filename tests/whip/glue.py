"""What both clients made of GStreamer's webrtcbin share: an offer by POST, the answer, the end by DELETE."""

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


class Client:
    """One session. `pipeline` has a webrtcbin called peer; what is printed begins with `name`."""

    def __init__(self, name, url, ca, pipeline):
        self.name, self.url, self.session, self.failed = name, url, None, False
        self.tls = ssl.create_default_context(cafile=ca)
        self.loop = GLib.MainLoop()
        self.pipeline = pipeline
        self.peer = pipeline.get_by_name("peer")
        self.peer.connect("on-negotiation-needed", lambda _: self.offer())
        self.peer.connect("notify::connection-state", lambda peer, _: self.state(peer))
        bus = pipeline.get_bus()
        bus.add_signal_watch()
        bus.connect("message::error", lambda _, message: self.fail(message.parse_error()))

    def say(self, what, file=sys.stdout):
        print(f"{self.name}: {what}", file=file, flush=True)

    def fail(self, why):
        self.failed = True
        self.say(why, sys.stderr)
        self.loop.quit()

    def state(self, peer):
        self.say(peer.get_property("connection-state").value_nick)

    def prepare(self, transceiver):
        """Before the offer; of each."""

    def request(self, method, url, body=None):
        request = urllib.request.Request(url, data=body, method=method)
        if body is not None:
            request.add_header("Content-Type", "application/sdp")
        return urllib.request.urlopen(request, context=self.tls, timeout=10)

    def offer(self):
        index = 0
        while (transceiver := self.peer.emit("get-transceiver", index)) is not None:
            self.prepare(transceiver)
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
        self.answered(text)
        _, sdp = GstSdp.SDPMessage.new_from_text(text)
        description = GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.ANSWER, sdp)
        self.peer.emit("set-remote-description", description, Gst.Promise.new())
        return False

    def answered(self, sdp):
        """The answer, before it counts."""

    def run(self):
        """Until SIGTERM, a failure or the loop's end. Gives the exit code."""
        GLib.unix_signal_add(GLib.PRIORITY_DEFAULT, signal.SIGTERM, self.loop.quit)
        self.pipeline.set_state(Gst.State.PLAYING)
        self.loop.run()
        if self.session:
            self.say(f"DELETE {self.request('DELETE', self.session).status}")
        self.pipeline.set_state(Gst.State.NULL)
        return int(self.failed)
