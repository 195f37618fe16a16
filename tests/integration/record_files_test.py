#!/usr/bin/env python3
"""From spool to mixed sound and composed picture with the real darasa-render:
record_files_test.py SPOOL_GEN DARASA_RENDER"""
import pathlib
import sys
import tempfile
import time

import record_lib as lib

GEN, RENDER = sys.argv[1:3]
kept = tempfile.TemporaryDirectory(prefix="darasa-record-")
media = pathlib.Path(kept.name)
SECONDS = 24


def source(name, file, then=None, **more):
    layer = {"file": str(media / file), **({"then": then} if then else {})}
    return {"name": name, "kind": "audio" if "-a" in name else "video", "layers": [layer], **more}


def event(t, kind, **more):
    return {"t": t, "kind": "event", "json": {"type": kind, **more}}


def make_media():
    lib.make_picture(media / "red.webm", "red", SECONDS, flash=(3, 21))
    lib.make_picture(media / "blue.webm", "blue", SECONDS, size="180x320")
    lib.make_picture(media / "yellow.webm", "yellow", SECONDS, size="640x360", rate=5, gop=5)
    lib.make_tone(media / "beep.ogg", 1000, SECONDS, beeps=(3, 21))
    lib.make_tone(media / "low.ogg", 440, SECONDS)
    lib.make_tone(media / "high.ogg", 1500, SECONDS)


def lesson(**more):
    """Ann speaks until 8, Bob (no camera after 12) until 18; Ann shares her screen from 14 to 18; a short word of Bob's at 4."""
    ann = {"endpoint": "aaaa", "name": "Ann Ö. 王小明 \u202eevil", "delay_ms": 20, "jitter_ms": 30, "ntp_offset": 5, "sources": [
        source("aaaa-v0", "red.webm"), source("aaaa-d0", "yellow.webm", videoType="desktop", spans=[[14, 18]]),
        source("aaaa-a0", "beep.ogg", ppm=50)]}
    bob = {"endpoint": "bbbb", "name": "بوب", "delay_ms": 80, "jitter_ms": 40, "sources": [
        source("bbbb-v0", "blue.webm", spans=[[0, 12]]), source("bbbb-a0", "low.ogg", spans=[[8, 18]])]}
    cem = {"endpoint": "cccc", "name": "", "sources": [source("cccc-a0", "high.ogg", spans=[[10, 16]])]}
    records = [event(0.1, "speaker", endpoint="aaaa"), event(4, "speaker", endpoint="bbbb"), event(4.5, "speaker", endpoint="aaaa"),
               event(8, "speaker", endpoint="bbbb"), event(12, "mute", endpoint="bbbb", source="bbbb-v0", muted=True),
               event(18, "mute", endpoint="aaaa", source="aaaa-d0", muted=True), event(18, "speaker", endpoint="aaaa")]
    return {"duration": SECONDS, "people": [ann, bob, cem], "records": records, **more}


def test_mix_has_everybody_in_time(root):
    lib.make_spool(GEN, lesson(), root)
    lib.run(RENDER, root, "tracks")
    lib.run(RENDER, root, "audio")
    m = lib.manifest(root)
    assert m["files"]["audio"]["file"] == "audio.m4a" and m["files"]["opus"]["size"] > 1000, m["files"]
    assert not m["troubles"], m["troubles"]
    for name, codec in (("audio.opus", "opus"), ("audio.m4a", "aac")):
        path = root / "out" / name
        info = lib.probe(path, "-show_format", "-show_streams")
        assert info["streams"][0]["codec_name"] == codec and info["streams"][0]["channels"] == 1
        assert abs(float(info["format"]["duration"]) - m["duration"]) < 0.1, info["format"]
        samples = lib.decode_audio(path)
        for hertz, heard, silent in ((440, (9, 17), (2, 22)), (1500, (11, 15), (6, 20)), (1000, (3.02, 21.02), (5, 16))):
            for at in heard:
                assert lib.level(samples, hertz, at, 0.15) > 0.03, (name, hertz, at, lib.level(samples, hertz, at, 0.15))
            for at in silent:
                assert lib.level(samples, hertz, at, 0.15) < 0.01, (name, hertz, at)
        assert abs(lib.first_sound(samples, 2) - 3.03) < 0.05, lib.first_sound(samples, 2)
        assert max(abs(s) for s in samples) < 32767 * 0.9


def test_what_was_said_before_it_began_is_left_out(root):
    """It was on its way then; no trouble, and the rest stays in time."""
    scene = lesson()
    scene["people"][0]["sources"][2].update(early=0.5)
    lib.make_spool(GEN, scene, root)
    lib.run(RENDER, root, "tracks")
    lib.run(RENDER, root, "audio")
    assert not lib.manifest(root)["troubles"], lib.manifest(root)["troubles"]
    samples = lib.decode_audio(root / "out" / "audio.opus")
    assert abs(lib.first_sound(samples, 2) - 2.53) < 0.05, lib.first_sound(samples, 2)


def test_mix_survives_loss(root):
    lib.make_spool(GEN, lesson(loss=0.05, repaired=0.2, seed=3), root)
    lib.run(RENDER, root, "audio")
    samples = lib.decode_audio(root / "out" / "audio.opus")
    low = [lib.level(samples, 440, 9 + i / 4, 0.25) for i in range(32)]
    assert min(low) > 0.03, low


def test_speaker_view(root):
    lib.make_spool(GEN, lesson(), root)
    lib.run(RENDER, root, "tracks")
    render = lib.run(RENDER, root, "mp4")
    m = lib.manifest(root)
    path = root / "out" / "video.mp4"
    assert m["files"]["mp4"] == {"file": "video.mp4", "size": path.stat().st_size}
    assert not m["troubles"], m["troubles"]
    info = lib.probe(path, "-show_streams", "-show_format")
    video = next(s for s in info["streams"] if s["codec_type"] == "video")
    assert (video["codec_name"], video["width"], video["height"], video["pix_fmt"]) == ("h264", 1280, 720, "yuv420p")
    assert abs(float(info["format"]["duration"]) - m["duration"]) < 0.2, info["format"]
    data = path.read_bytes()
    assert data.find(b"moov") < data.find(b"mdat"), "the index must stand in front"
    done = [x["done"] for x in render.messages if x["type"] == "progress"]
    assert done == sorted(done) and (not done or 0 <= done[0] <= done[-1] <= 1), done

    pictures = lib.decode_pictures(path, 64, 36)

    def at(t, x, y):
        return lib.pixel([p for when, p in pictures if when <= t][-1], x, y, 64)

    assert lib.is_color(at(2, 32, 20), "red"), at(2, 32, 20)
    assert lib.is_color(at(6.9, 32, 20), "red") and not lib.is_color(at(9, 4, 20), "blue")
    assert lib.is_color(at(11, 32, 20), "blue"), "upright, with dark sides"
    assert max(at(11, 4, 20)) < 60 and max(at(13.5, 4, 20)) < 60
    assert not lib.is_color(at(13.5, 30, 2), "blue") and lib.is_color(at(11, 30, 2), "blue"), "no camera: a sign for the person"
    assert lib.is_color(at(16, 10, 20), "yellow") and not lib.is_color(at(16, 54, 5), "yellow"), "the screen, and the speaker small"
    assert lib.is_color(at(19, 32, 20), "red")
    shown = {c: [t for t, p in pictures if lib.is_color(lib.pixel(p, 32, 20, 64), c)] for c in ("red", "blue", "yellow", "white")}
    assert min(shown["blue"]) >= 4.0 and abs(min(t for t in shown["blue"] if t > 7) - 8) < 0.5, "the speaker of 8 s"
    assert abs(min(shown["yellow"]) - 14) < 1.1, min(shown["yellow"])
    samples = lib.decode_audio(path)
    for beep in (3, 21):
        flash = min(t for t in shown["white"] if t > beep - 1)
        heard = lib.first_sound(samples, beep - 0.5, 1500)
        # A picture is shown at the next fortieth of a second, the test's encoder adds 6.5 ms.
        assert abs(heard - 0.0065 - flash) < 0.045, (heard, flash)


def test_film_of_every_codec(root):
    """One camera that goes through all of them."""
    order = [("vp9", "red"), ("av1", "blue"), ("h264", "yellow"), ("vp8", "lime")]
    for codec, color in order:
        lib.make_picture(media / f"{codec}.mkv", color, 12, codec=codec)
    people = [{"endpoint": name, "name": name, "sources": [
        source(f"{name}-v0", f"{a}.mkv", then={"at": at, "file": str(media / f"{b}.mkv")})]}
        for name, a, b, at in (("aaaa", "vp9", "av1", 4), ("bbbb", "h264", "vp8", 8))]
    records = [event(0.1, "speaker", endpoint="aaaa"), event(6, "speaker", endpoint="bbbb")]
    lib.make_spool(GEN, {"duration": 12, "people": people, "records": records}, root)
    lib.run(RENDER, root, "tracks")
    lib.run(RENDER, root, "mp4", {"width": 320, "height": 180, "fps": 10})
    assert not lib.manifest(root)["troubles"], lib.manifest(root)["troubles"]
    pictures = lib.decode_pictures(root / "out" / "video.mp4")
    for t, (_, color) in zip((2, 5.5, 7.5, 10), order):
        picture = [p for when, p in pictures if when <= t][-1]
        assert lib.is_color(lib.pixel(picture, 16, 9), color), (t, color, lib.pixel(picture, 16, 9))


def test_same_spool_same_film(root):
    films = []
    for i in range(2):
        lib.make_spool(GEN, lesson(), root / str(i))
        lib.run(RENDER, root / str(i), "mp4", {"width": 320, "height": 180, "fps": 10})
        films.append((root / str(i) / "out" / "video.mp4").read_bytes())
    assert films[0] == films[1]


def test_killed_and_run_again(root):
    lib.make_spool(GEN, lesson(), root)
    options = {"width": 320, "height": 180}
    lib.run(RENDER, root, "mp4", options)
    lib.run(RENDER, root, "audio")
    expected = {p.name: p.read_bytes() for p in (root / "out").iterdir()}
    for job in ("mp4", "audio"):
        for name in ("video.mp4", "audio.opus", "audio.m4a"):
            (root / "out" / name).unlink(missing_ok=True)
        render = lib.Render(RENDER, root, job, options)
        while not list((root / "out").glob("*.tmp")):
            time.sleep(0.01)
        time.sleep(0.05)
        render.kill()
        assert not any((root / "out" / name).exists() for name in ("video.mp4", "audio.opus", "audio.m4a"))
        lib.run(RENDER, root, "mp4", options)
        lib.run(RENDER, root, "audio")
        assert {p.name: p.read_bytes() for p in (root / "out").iterdir()} == expected


def test_hostile_pictures_spoil_only_their_track(root):
    scene = lesson()
    scene["people"].append({"endpoint": "dddd", "name": "Mallory", "sources": [
        {"name": "dddd-v0", "kind": "video", "layers": [{"kbps": 300, "key_every": 1}]},
        {"name": "dddd-a0", "kind": "audio", "layers": [{"kbps": 24}]}]})
    scene["records"].append(event(20, "speaker", endpoint="dddd"))
    scene["records"].sort(key=lambda r: r["t"])
    lib.make_spool(GEN, scene, root)
    for job in ("tracks", "audio", "mp4"):
        lib.run(RENDER, root, job)
    pictures = lib.decode_pictures(root / "out" / "video.mp4", 64, 36)
    assert lib.is_color(lib.pixel([p for t, p in pictures if t < 2][-1], 32, 20, 64), "red")
    assert len(lib.manifest(root)["tracks"]) == 8


def main():
    make_media()
    tests = [(name, test) for name, test in globals().items() if name.startswith("test_")]
    only = sys.argv[3:]
    for name, test in tests:
        if only and name not in only:
            continue
        with tempfile.TemporaryDirectory(prefix="darasa-record-") as root:
            started = time.monotonic()
            test(pathlib.Path(root))
            print(f"ok {name} {time.monotonic() - started:.1f} s", flush=True)


main()
