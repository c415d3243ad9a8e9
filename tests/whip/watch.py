#!/usr/bin/env python3
"""A WHEP viewer that is none of ours: aiortc (from PyPI) decodes what comes.

usage: watch.py URL CA [FRAMES]      e.g. https://127.0.0.1:8172/whep/studio DATA/ca.crt 60

Exit 0 once so many frames of the picture and of sound have been decoded, and DELETE has ended it; with 0
frames, at SIGTERM. Prints a line `frame HEIGHT` for each frame of the picture.
"""

import asyncio
import itertools
import signal
import ssl
import sys
import urllib.parse
import urllib.request

from aiortc import RTCPeerConnection, RTCSessionDescription

WITHIN = 30


def request(tls, method, url, body=None):
    headers = {} if body is None else {"Content-Type": "application/sdp"}
    data = None if body is None else body.encode()
    ask = urllib.request.Request(url, data=data, method=method, headers=headers)
    with urllib.request.urlopen(ask, context=tls, timeout=10) as answer:
        return answer.status, answer.headers, answer.read().decode()


async def decode(track, wanted):
    size = None
    for _ in range(wanted) if wanted else itertools.count():
        frame = await track.recv()
        if track.kind == "video":
            size = (frame.width, frame.height)
            print(f"frame {frame.height}", flush=True)
    return track.kind, size


async def main():
    url, ca, *rest = sys.argv[1:]
    wanted = int(rest[0]) if rest else 60
    tls = ssl.create_default_context(cafile=ca)
    peer = RTCPeerConnection()
    receivers = [peer.addTransceiver(kind, direction="recvonly").receiver for kind in ("audio", "video")]
    await peer.setLocalDescription(await peer.createOffer())
    status, headers, answer = request(tls, "POST", url, peer.localDescription.sdp)
    session = urllib.parse.urljoin(url, headers["Location"])
    await peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))
    tracks = [receiver.track for receiver in receivers]
    decoding = asyncio.gather(*(decode(track, wanted) for track in tracks))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, decoding.cancel)
    decoded = []
    try:
        decoded = await asyncio.wait_for(decoding, WITHIN if wanted else None)
    except asyncio.CancelledError:
        pass
    finally:
        ended, *_ = request(tls, "DELETE", session)
        await peer.close()
    print(f"aiortc: POST {status}, {wanted} frames each of {decoded}, DELETE {ended}", flush=True)


asyncio.run(main())
