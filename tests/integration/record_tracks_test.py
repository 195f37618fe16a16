#!/usr/bin/env python3
"""From spool to tracks with the real darasa-render: record_tracks_test.py SPOOL_GEN DARASA_RENDER"""
import pathlib
import random
import subprocess
import sys
import tempfile
import time

import record_lib as lib

GEN, RENDER = sys.argv[1:3]
kept = tempfile.TemporaryDirectory(prefix="darasa-record-")
media = pathlib.Path(kept.name)


def source(name, layers, **more):
    kind = "video" if "-v" in name or "-d" in name else "audio"
    return {"name": name, "kind": kind, "layers": layers, **more}


def file(name):
    return {"file": str(media / name)}


def track(manifest, source_name, at=0):
    return [t for t in manifest["tracks"] if t["source"] == source_name][at]


def assert_decodes(path):
    out = subprocess.run(["ffmpeg", "-v", "error", "-xerror", "-nostdin", "-i", str(path), "-f", "null", "-"], capture_output=True)
    assert out.returncode == 0 and not out.stderr, f"{path}: {out.stderr.decode()}"


def make_media():
    for color, flash in (("red", (3, 7)), ("blue", ())):
        lib.make_picture(media / f"{color}.webm", color, 20, flash=flash)
    for height, color in ((180, "red"), (360, "lime"), (720, "blue")):
        lib.make_picture(media / f"layer{height}.webm", color, 12, size=f"{height * 16 // 9}x{height}", gop=50)
    for codec in CODECS:
        lib.make_picture(media / f"{codec}.mkv", "lime", 8, size="640x360", flash=(3,), codec=codec)
    lib.make_picture(media / "vp9-180.mkv", "blue", 8, codec="vp9")
    lib.make_tone(media / "beep.ogg", 1000, 20, beeps=(3, 7))
    lib.make_tone(media / "low.ogg", 440, 20)


def two_people(**more):
    ann = {"endpoint": "aaaa", "name": "Ann", "delay_ms": 20, "jitter_ms": 30, "ntp_offset": -12345, "sources": [
        source("aaaa-v0", [file("red.webm")], spans=[[0, 20]]), source("aaaa-a0", [file("beep.ogg")], ppm=80)]}
    bob = {"endpoint": "bbbb", "name": "Bob", "delay_ms": 90, "jitter_ms": 60, "ntp_offset": 777, "sources": [
        source("bbbb-v0", [file("blue.webm")]), source("bbbb-a0", [file("low.ogg")], spans=[[0, 4], [15, 20]])]}
    return {"duration": 20, "people": [ann, bob], **more}


def test_everybody_is_heard_and_seen_at_the_right_time(root):
    lib.make_spool(GEN, two_people(), root)
    lib.run(RENDER, root, "tracks")
    m = lib.manifest(root)
    assert m["recording"] == "r1" and m["startedAt"] == 1700000000000 and abs(m["duration"] - 21) < 0.01, m
    assert [p["name"] for p in m["people"]] == ["Ann", "Bob"]
    assert len(m["tracks"]) == 5 and not m["troubles"] and not m["gaps"], m
    for t in m["tracks"]:
        assert_decodes(root / "out" / t["file"])
        assert (root / "out" / t["file"]).stat().st_size == t["size"]
        duration = float(lib.probe(root / "out" / t["file"], "-show_format")["format"]["duration"])
        assert abs(duration - (t["end"] - t["start"])) < 0.12, (t, duration)
    for name, color in (("aaaa-v0", "red"), ("bbbb-v0", "blue")):
        t = track(m, name)
        pictures = lib.decode_pictures(root / "out" / t["file"])
        assert len(pictures) == 500 and lib.is_color(lib.pixel(pictures[100][1], 16, 12), color), (name, len(pictures))
        assert (t["width"], t["height"], t["videoType"]) == (320, 180, "camera")
    low = [track(m, "bbbb-a0", i) for i in (0, 1)]
    for t, (start, end) in zip(low, ((0, 4), (15, 20))):
        assert abs(t["start"] - start) < 0.15 and abs(t["end"] - end) < 0.15, t
        assert lib.level(lib.decode_audio(root / "out" / t["file"]), 440, 1, 2) > 0.2


def flash_and_beep(root, m, name):
    t = track(m, f"{name}-v0")
    flashes = [t["start"] + at for at, picture in lib.decode_pictures(root / "out" / t["file"])
               if lib.is_color(lib.pixel(picture, 16, 12), "white")]
    starts = [at for i, at in enumerate(flashes) if i == 0 or at - flashes[i - 1] > 1]
    t = track(m, f"{name}-a0")
    samples = lib.decode_audio(root / "out" / t["file"])
    beeps = [t["start"] + lib.first_sound(samples, at - t["start"]) for at in (2.5, 6.5)]
    return list(zip(starts, beeps))


def test_lips_and_sound_go_together(root):
    for i, more in enumerate(({}, {"loss": 0.02, "repaired": 1, "seed": 5})):
        lib.make_spool(GEN, two_people(**more), root / str(i))
        lib.run(RENDER, root / str(i), "tracks")
        pairs = flash_and_beep(root / str(i), lib.manifest(root / str(i)), "aaaa")
        assert len(pairs) == 2, pairs
        for flash, beep in pairs:
            # The encoder of the test's sound adds 6.5 ms.
            assert abs(beep - 0.0065 - flash) < 0.04, pairs


def test_a_picture_on_its_way_when_it_began_is_kept(root):
    """It is the key frame of those after it."""
    scene = two_people()
    for s in scene["people"][0]["sources"]:
        s.update(early=0.3, spans=[])
    lib.make_spool(GEN, scene, root)
    lib.run(RENDER, root, "tracks")
    m = lib.manifest(root)
    t = track(m, "aaaa-v0")
    assert t["start"] == 0, t
    assert_decodes(root / "out" / t["file"])
    pictures = lib.decode_pictures(root / "out" / t["file"])
    assert len(pictures) == 500 and pictures[9][0] < 0.1, (len(pictures), pictures[9][0])
    assert track(m, "aaaa-a0")["start"] < 0.03, m["tracks"]
    for flash, beep in flash_and_beep(root, m, "aaaa"):
        assert abs(flash - 2.7) < 0.1 or abs(flash - 6.7) < 0.1, flash
        assert abs(beep - 0.0065 - flash) < 0.06, (flash, beep)


def test_without_sender_reports_arrival_decides(root):
    scene = two_people()
    for s in scene["people"][0]["sources"]:
        s["reports"] = False
    lib.make_spool(GEN, scene, root)
    lib.run(RENDER, root, "tracks")
    for flash, beep in flash_and_beep(root, lib.manifest(root), "aaaa"):
        assert abs(beep - flash) < 0.06, (flash, beep)


def test_loss_leaves_only_what_decodes(root):
    lib.make_spool(GEN, two_people(loss=0.01, repaired=0.3, seed=11), root)
    lib.run(RENDER, root, "tracks")
    m = lib.manifest(root)
    for t in m["tracks"]:
        assert_decodes(root / "out" / t["file"])
    pictures = lib.decode_pictures(root / "out" / track(m, "aaaa-v0")["file"])
    assert 250 < len(pictures) < 500, len(pictures)
    assert {t["what"] for t in m["troubles"]} == {"lost-packets", "dropped-frames"}, m["troubles"]


def test_the_best_layer_wins(root):
    layers = [file(f"layer{height}.webm") for height in (180, 360, 720)]
    scene = {"duration": 12, "people": [{"endpoint": "cccc", "name": "Cem", "jitter_ms": 10,
                                         "sources": [source("cccc-v0", layers)]}]}
    lib.make_spool(GEN, scene, root)
    lib.run(RENDER, root, "tracks")
    m = lib.manifest(root)
    t = track(m, "cccc-v0")
    assert (t["width"], t["height"]) == (1280, 720), t
    assert_decodes(root / "out" / t["file"])
    pictures = lib.decode_pictures(root / "out" / t["file"])
    assert 298 <= len(pictures) <= 302, len(pictures)
    blue = sum(lib.is_color(lib.pixel(p, 16, 12), "blue") for _, p in pictures)
    assert blue > 295, blue


def codec_of(path):
    [stream] = lib.probe(path, "-show_entries", "stream=codec_name,width,height")["streams"]
    return stream


CODECS = {"vp9": "webm", "h264": "mp4", "av1": "webm"}


def test_every_codec_is_kept_as_it_came(root):
    """Sizes of the packets force fragments: the white flash takes more than one."""
    people = [{"endpoint": name, "name": name, "jitter_ms": 30, "sources": [source(f"{name}-v0", [file(f"{name}.mkv")])]} for name in CODECS]
    for more in ({}, {"loss": 0.02, "repaired": 1, "seed": 5}, {"loss": 0.02, "repaired": 0, "seed": 7}):
        here = root / str(more.get("seed", 0))
        lib.make_spool(GEN, {"duration": 8, "people": people, **more}, here)
        lib.run(RENDER, here, "tracks")
        m = lib.manifest(here)
        assert bool(m["troubles"]) == (more.get("repaired") == 0), m["troubles"]
        for name, suffix in CODECS.items():
            t = track(m, f"{name}-v0")
            path = here / "out" / t["file"]
            assert t["file"].endswith(suffix) and (t["width"], t["height"]) == (640, 360), t
            found = codec_of(path)
            assert (found["codec_name"], found["width"], found["height"]) == (name, 640, 360), found
            assert_decodes(path)
            pictures = lib.decode_pictures(path)
            white = [at + t["start"] for at, p in pictures if lib.is_color(lib.pixel(p, 16, 12), "white")]
            if more.get("repaired") == 0:
                assert 20 < len(pictures) < 200, (name, len(pictures))
                continue
            assert len(pictures) == 200 and all(2.9 < at < 3.4 for at in white) and len(white) >= 4, (name, len(pictures), white)
            if suffix == "mp4":
                data = path.read_bytes()
                assert 0 < data.find(b"moov") < data.find(b"mdat"), "the index does not stand in front"


def test_a_codec_changes_on_the_way(root):
    """The same stream, by its SSRC, goes over with a key frame: a file for each codec, without a hole."""
    changes = [("red.webm", "vp9.mkv"), ("vp9.mkv", "h264.mkv"), ("h264.mkv", "av1.mkv"), ("av1.mkv", "red.webm")]
    names = {"red.webm": "vp8", "vp9.mkv": "vp9", "h264.mkv": "h264", "av1.mkv": "av1"}
    people = [{"endpoint": f"e{i}", "name": "E", "sources": [
        source(f"e{i}-v0", [{**file(a), "then": {"at": 4, **file(b)}}])]} for i, (a, b) in enumerate(changes)]
    lib.make_spool(GEN, {"duration": 8, "people": people}, root)
    lib.run(RENDER, root, "tracks")
    m = lib.manifest(root)
    assert not m["troubles"], m["troubles"]
    for i, pair in enumerate(changes):
        tracks = [t for t in m["tracks"] if t["source"] == f"e{i}-v0"]
        assert [codec_of(root / "out" / t["file"])["codec_name"] for t in tracks] == [names[n] for n in pair], tracks
        assert abs(tracks[0]["end"] - tracks[1]["start"]) < 0.15 and abs(tracks[1]["start"] - 4) < 0.1, tracks
        for t in tracks:
            assert_decodes(root / "out" / t["file"])
            assert len(lib.decode_pictures(root / "out" / t["file"])) == 100, t


def test_layers_of_one_stream_make_one_picture(root):
    """VP9: a key picture brings all layers, those after it only the one that is kept."""
    layers = [file("vp9-180.mkv"), file("vp9.mkv")]
    lib.make_spool(GEN, {"duration": 8, "people": [{"endpoint": "aaaa", "name": "Ann", "sources": [
        source("aaaa-v0", layers, svc=True)]}]}, root)
    lib.run(RENDER, root, "tracks")
    m = lib.manifest(root)
    assert not m["troubles"], m["troubles"]
    t = track(m, "aaaa-v0")
    packets = lib.probe(root / "out" / t["file"], "-show_entries", "packet=pts_time")["packets"]
    assert len(packets) == 200, len(packets)
    shown = {round(at, 2): p for at, p in lib.decode_pictures(root / "out" / t["file"])}
    lime = sum(lib.is_color(lib.pixel(p, 16, 12), "lime") for p in shown.values())
    assert lime >= 190, lime  # the small layer is blue


def test_torn_spool_gives_the_rest(root):
    spool = lib.make_spool(GEN, two_people(), root)
    first, second, *_ = sorted(spool.iterdir())
    dice = random.Random(3)
    data = bytearray(first.read_bytes())
    for _ in range(20):
        data[dice.randrange(5000, len(data))] ^= 1 << dice.randrange(8)
    first.write_bytes(data)
    second.write_bytes(second.read_bytes()[:-777])
    lib.run(RENDER, root, "tracks")
    m = lib.manifest(root)
    what = {t["what"]: t["count"] for t in m["troubles"] if "source" not in t}
    assert what["damaged-bytes"] > 0 and what["missing-bytes"] == 777, m["troubles"]
    assert {t["source"] for t in m["tracks"]} == {"aaaa-v0", "aaaa-a0", "bbbb-v0", "bbbb-a0"}
    for t in m["tracks"]:
        assert_decodes(root / "out" / t["file"])
    samples = lib.decode_audio(root / "out" / track(m, "aaaa-a0")["file"])
    heard = [lib.level(samples, 1000, at + 0.02, 0.15) for at in (3, 7)]
    assert min(heard) > 0.12, heard


def test_a_missing_piece_and_no_end(root):
    spool = lib.make_spool(GEN, two_people(), root)
    pieces = sorted(spool.iterdir())
    pieces[1].unlink()
    pieces[-1].write_bytes(pieces[-1].read_bytes()[:-40])
    lib.run(RENDER, root, "tracks")
    m = lib.manifest(root)
    assert {"missing-bytes", "no-end"} <= {t["what"] for t in m["troubles"]}, m["troubles"]
    for t in m["tracks"]:
        assert_decodes(root / "out" / t["file"])
    assert track(m, "aaaa-v0")["start"] < 1 and track(m, "aaaa-v0")["end"] > 10 - 0.1


def test_an_empty_spool(root):
    (root / "spool").mkdir(parents=True)
    (root / "out").mkdir()
    lib.give_to_sandbox(root / "out")
    lib.run(RENDER, root, "tracks")
    assert lib.manifest(root)["tracks"] == []


def test_pauses_are_cut_out(root):
    spans = [[0, 6], [12, 20]]
    scene = two_people(records=[{"t": 6, "kind": "event", "json": {"type": "pause"}},
                                {"t": 12, "kind": "event", "json": {"type": "resume"}},
                                {"t": 13, "kind": "event", "json": {"type": "chat", "text": "hi"}}])
    scene["people"] = scene["people"][:1]
    for s in scene["people"][0]["sources"]:
        s["spans"] = spans
    lib.make_spool(GEN, scene, root)
    lib.run(RENDER, root, "tracks")
    m = lib.manifest(root)
    assert abs(m["duration"] - 15) < 0.01, m["duration"]
    assert [e["t"] for e in m["events"]] == [0, 6, 6, 7], m["events"]
    assert abs(track(m, "aaaa-a0", -1)["end"] - 14) < 0.1, m["tracks"]


def test_another_bridge_takes_over(root):
    """It numbers the sources anew, and sends what it knew of the clocks first."""
    layers = [{**file("red.webm"), "ssrc": 11}], [{**file("blue.webm"), "ssrc": 22}]
    ann = {"endpoint": "aaaa", "name": "Ann", "sources": [
        source("aaaa-v0", layers[0], number=1, spans=[[0, 8]]), source("aaaa-v0", layers[0], number=2, announce=False, spans=[[10, 20]])]}
    bob = {"endpoint": "bbbb", "name": "Bob", "sources": [source("bbbb-v0", layers[1], number=1, announce=False, spans=[[10, 20]])]}
    records = [{"t": 10, "kind": "begin", "json": {"version": 1, "recording": "r1", "wall_ms": 1700000010000, "boot": "b2"}},
               {"t": 10, "kind": "gap", "json": {"reason": "bridge", "from_us": 0, "to_us": 5010000000}},
               {"t": 10, "kind": "source", "json": {"source": 1, "name": "bbbb-v0", "endpoint": "bbbb", "kind": "video"}},
               {"t": 10, "kind": "source", "json": {"source": 2, "name": "aaaa-v0", "endpoint": "aaaa", "kind": "video"}}]
    lib.make_spool(GEN, {"duration": 20, "people": [ann, bob], "records": records}, root)
    lib.run(RENDER, root, "tracks")
    m = lib.manifest(root)
    [gap] = m["gaps"]
    assert 7.8 < gap["from"] <= 8 and gap["to"] == 10 and gap["reason"] == "bridge", m["gaps"]
    for name, color, count in (("aaaa-v0", "red", 1), ("bbbb-v0", "blue", 1)):
        tracks = [t for t in m["tracks"] if t["source"] == name]
        assert len(tracks) == count, m["tracks"]
        for t in tracks:
            pictures = lib.decode_pictures(root / "out" / t["file"])
            assert all(lib.is_color(lib.pixel(p, 16, 12), color) for at, p in pictures if not 2.9 < at < 3.3 and not 6.9 < at < 7.3), t
    assert abs(track(m, "aaaa-v0")["end"] - 20) < 0.2 and track(m, "bbbb-v0")["start"] > 9.9, m["tracks"]


def index_stands_in_front(path):
    data = path.read_bytes()
    cues, cluster = data.find(bytes.fromhex("1c53bb6b")), data.find(bytes.fromhex("1f43b675"))
    seek = data.find(bytes.fromhex("1c53bb6b"), cues + 1) if cues < 200 else cues
    return 0 < seek < cluster


def dummy(duration, cameras, kbps=500):
    people = []
    for i in range(cameras):
        name = f"e{i:03}"
        people.append({"endpoint": name, "name": name, "jitter_ms": 20, "sources": [
            source(f"{name}-v0", [{"kbps": kbps, "fps": 25, "key_every": 20}]), source(f"{name}-a0", [{"kbps": 24}], ppm=100)]})
    return {"duration": duration, "people": people}


def test_killed_and_run_again(root):
    scene = dummy(600, 3)
    # Sources that end early are finished early, and must be kept.
    for i, person in enumerate(scene["people"]):
        person["sources"][1]["spans"] = [[0, 100 * (i + 1)]]
    lib.make_spool(GEN, scene, root)
    started = time.monotonic()
    lib.run(RENDER, root, "tracks")
    whole = time.monotonic() - started
    out = root / "out"
    expected = {p.name: p.read_bytes() for p in out.iterdir()}
    assert len(expected) == 8, sorted(expected)
    assert all(index_stands_in_front(out / name) for name in expected if name.endswith(".webm"))
    for p in out.iterdir():
        p.unlink()
    dice = random.Random(1)
    for _ in range(5):
        render = lib.Render(RENDER, root, "tracks")
        time.sleep(whole * (0.4 + 0.55 * dice.random()))
        render.kill()
        for p in out.iterdir():
            if not p.name.endswith(".tmp"):
                assert p.read_bytes() == expected[p.name], p.name
    kept = {p.name: p.stat().st_mtime_ns for p in out.iterdir() if p.name.endswith(".webm")}
    lib.run(RENDER, root, "tracks")
    assert {p.name: p.read_bytes() for p in out.iterdir()} == expected
    assert all((out / name).stat().st_mtime_ns == when for name, when in kept.items())


def test_stops_when_asked(root):
    lib.make_spool(GEN, dummy(600, 3), root)
    render = lib.Render(RENDER, root, "tracks")
    while (render.read(10) or {}).get("type") != "progress":
        pass
    render.ours.send(b'{"type":"stop"}')
    started = time.monotonic()
    assert render.wait(10) != 0 and time.monotonic() - started < 3
    assert not (root / "out" / "manifest.json").exists()


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
