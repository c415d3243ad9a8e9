#!/usr/bin/python3
"""A WHIP publisher that is none of ours: GStreamer's webrtcbin with as little glue as will do.

usage: publish.py URL CA {h264,vp8}      e.g. https://127.0.0.1:8172/whip/studio DATA/ca.crt h264

Publishes a moving test picture and a tone until SIGTERM, then ends its session by DELETE.
Needs python3-gi and gir1.2-gst-plugins-bad-1.0, with GStreamer's base, good, bad, ugly and nice plugins.
"""

import sys

from glue import Client, Gst, GstWebRTC

VIDEO = {
    "h264": "x264enc tune=zerolatency speed-preset=ultrafast bitrate=800 key-int-max=120 "
    "! video/x-h264,profile=constrained-baseline ! rtph264pay pt=96 config-interval=-1 "
    "! application/x-rtp,media=video,encoding-name=H264,payload=96,packetization-mode=(string)1",
    "vp8": "vp8enc deadline=1 target-bitrate=800000 keyframe-max-dist=120 ! rtpvp8pay pt=97 "
    "! application/x-rtp,media=video,encoding-name=VP8,payload=97",
}


class Publisher(Client):
    """Sends a picture and a tone."""

    def __init__(self, url, ca, codec):
        pipeline = Gst.parse_launch(
            "webrtcbin name=peer bundle-policy=max-bundle "
            "videotestsrc is-live=true pattern=ball ! video/x-raw,width=640,height=360,framerate=15/1 "
            f"! videoconvert ! {VIDEO[codec]} ! peer. "
            "audiotestsrc is-live=true volume=0.1 ! audioconvert ! opusenc ! rtpopuspay pt=111 "
            "! application/x-rtp,media=audio,encoding-name=OPUS,payload=111 ! peer."
        )
        super().__init__("publisher", url, ca, pipeline)

    def prepare(self, transceiver):
        transceiver.set_property("direction", GstWebRTC.WebRTCRTPTransceiverDirection.SENDONLY)
        transceiver.set_property("do-nack", True)


Gst.init(None)
sys.exit(Publisher(*sys.argv[1:]).run())
