"""Publishes a test picture and a tone by the WHIP muxer of libav, through PyAV.

usage: python muxer.py URL   (ends on SIGTERM; "muxer: publishing" once packets go)
"""

import signal
import sys
import time
from fractions import Fraction

import av
import numpy

RATE = 30
SOUND = 48_000
SAMPLES = 960

going = True


def stop(*_):
    global going
    going = False


def picture(n):
    """A grey ramp that moves."""
    lines = numpy.add.outer(numpy.arange(360), numpy.arange(640) + 8 * n) % 256
    frame = av.VideoFrame.from_ndarray(lines.astype("uint8"), format="gray").reformat(format="yuv420p")
    frame.pts, frame.time_base = n, Fraction(1, RATE)
    return frame


def tone(n):
    t = numpy.arange(n * SAMPLES, (n + 1) * SAMPLES) / SOUND
    wave = (8000 * numpy.sin(2 * numpy.pi * 440 * t)).astype("int16")
    frame = av.AudioFrame.from_ndarray(numpy.repeat(wave, 2).reshape(1, -1), format="s16", layout="stereo")
    frame.sample_rate, frame.pts, frame.time_base = SOUND, n * SAMPLES, Fraction(1, SOUND)
    return frame


def main(url):
    signal.signal(signal.SIGTERM, stop)
    with av.open(url, "w", format="whip") as out:
        video = out.add_stream("libx264", rate=RATE)
        video.width, video.height, video.pix_fmt = 640, 360, "yuv420p"
        video.options = {"profile": "main", "preset": "veryfast", "bf": "0", "g": "60", "tune": "zerolatency"}
        audio = out.add_stream("libopus", rate=SOUND)
        audio.layout = "stereo"
        began = time.monotonic()
        n_pictures = n_tones = 0
        while going:
            elapsed = time.monotonic() - began
            while n_pictures / RATE < elapsed:
                out.mux(video.encode(picture(n_pictures)))
                n_pictures += 1
                if n_pictures == RATE:
                    print("muxer: publishing", flush=True)
            while n_tones * SAMPLES / SOUND < elapsed:
                out.mux(audio.encode(tone(n_tones)))
                n_tones += 1
            time.sleep(0.005)
    print("muxer: ended", flush=True)


main(sys.argv[1])
