#!/usr/bin/python3
"""A WHEP player that is none of ours: GStreamer's webrtcbin decodes what comes.

usage: play.py URL CA [--frames N] [--transport-cc] [--fec]
  e.g. play.py https://127.0.0.1:8172/whep/studio DATA/ca.crt --frames 60

Offers VP8, H.264 and Opus as GStreamer's own whepsrc does: one section each of sound and picture, no
parameters of the codecs. With --transport-cc it tells of arrivals as well. Prints a line `frame HEIGHT` for
each frame of the picture. Ends with DELETE once there were so many frames of it and of sound, else at
SIGTERM. --fec offers red and ulpfec too.
Needs python3-gi, gir1.2-gst-plugins-bad-1.0 and gstreamer1.0-libav, with GStreamer's base, good, bad and
nice plugins.
"""

import argparse
import sys

from glue import Client, Gst, GstWebRTC

DECODE = {
    "VP8": "rtpvp8depay request-keyframe=true wait-for-keyframe=true ! vp8dec",
    "H264": "rtph264depay request-keyframe=true wait-for-keyframe=true ! h264parse ! avdec_h264",
    "OPUS": "rtpopusdepay ! opusdec",
}
VIDEO = [("VP8", 96), ("H264", 97)]
TRANSPORT_CC = (
    ",rtcp-fb-transport-cc=(boolean)true"
    ",extmap-3=http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
)


class Player(Client):
    """Receives, decodes and counts."""

    def __init__(self, options):
        # Of one element alone this makes no pipeline, unless it is told to.
        pipeline = Gst.parse_launch("pipeline. ( webrtcbin name=peer bundle-policy=max-bundle )")
        super().__init__("player", options.url, options.ca, pipeline)
        self.options = options
        self.counts, self.codec, self.size, self.transport_cc = {"audio": 0, "video": 0}, None, None, None
        more = TRANSPORT_CC if options.transport_cc else ""
        sound = f"application/x-rtp,media=audio,encoding-name=OPUS,encoding-params=(string)2,payload=111,clock-rate=48000{more}"
        picture = ";".join(
            f"application/x-rtp,media=video,encoding-name={name},payload={number},clock-rate=90000{more}"
            for name, number in VIDEO
        )
        self.peer.connect("pad-added", self.added)
        for caps in (sound, picture):
            direction = GstWebRTC.WebRTCRTPTransceiverDirection.RECVONLY
            self.peer.emit("add-transceiver", direction, Gst.Caps.from_string(caps))

    def prepare(self, transceiver):
        transceiver.set_property("do-nack", True)
        if self.options.fec:
            transceiver.set_property("fec-type", GstWebRTC.WebRTCFECType.ULP_RED)

    def answered(self, sdp):
        self.transport_cc = "transport-cc" in sdp

    def added(self, _, pad):
        if pad.get_direction() != Gst.PadDirection.SRC:
            return
        caps = pad.get_current_caps().get_structure(0)
        name = caps.get_string("encoding-name").upper()
        decoder = Gst.parse_bin_from_description(f"{DECODE[name]} ! fakesink name=sink sync=false async=false", True)
        kind = caps.get_string("media")
        self.codec = name if kind == "video" else self.codec
        self.pipeline.add(decoder)
        decoder.sync_state_with_parent()
        decoder.get_by_name("sink").get_static_pad("sink").add_probe(Gst.PadProbeType.BUFFER, self.decoded, kind)
        pad.link(decoder.get_static_pad("sink"))

    def decoded(self, pad, _, kind):
        self.counts[kind] += 1
        if kind == "video":
            caps = pad.get_current_caps().get_structure(0)
            self.size = [caps.get_int(key).value for key in ("width", "height")]
            print(f"frame {self.size[1]}", flush=True)
        if self.options.frames and min(self.counts.values()) >= self.options.frames:
            self.loop.quit()
        return Gst.PadProbeReturn.OK


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("ca")
    parser.add_argument("--frames", type=int, default=0)
    for flag in ("--transport-cc", "--fec"):
        parser.add_argument(flag, action="store_true")
    player = Player(parser.parse_args())
    code = player.run()
    shown = f"{player.codec} {player.size}, transport-cc {player.transport_cc}"
    player.say(f"{player.counts['video']} frames of {shown}; {player.counts['audio']} of sound")
    return code


Gst.init(None)
sys.exit(main())
