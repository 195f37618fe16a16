"""A full disk: the class goes on, whoever can act is told, and nothing that was acknowledged is lost."""
import os, sqlite3, subprocess, time

from house import HOST, Browser, House, Talk, name_host, root, run, until

name_host()
DATA = os.path.join(root, "small")
os.mkdir(DATA)
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m,mode=755", "tmpfs", DATA], check=True)
house = House("--host", HOST, "--set", "recordings.reserve=1", data=DATA)
teacher = Browser(house).enter(house.people[0])
pupils = [Browser(house).enter(name) for name in house.people[1:]]
talks = [Talk(house, teacher.join()).enter(), Talk(house, pupils[0].join()).enter()]
JIBRI = "http://jitsi.org/protocol/jibri"


def fill():
    with open(os.path.join(DATA, "filler"), "ab", buffering=0) as f:
        for size in (65536, 4096, 1):
            try:
                while True:
                    f.write(b"x" * size)
            except OSError:
                pass


def record(action, **more):
    attributes = "".join(f" {k}='{v}'" for k, v in more.items())
    return talks[0].ask("set", f"{talks[0].muc}/focus", f"<jibri xmlns='{JIBRI}' action='{action}'{attributes}/>")


def fits(stanza, wanted):
    return any(all(e.get(k) == v for k, v in wanted.items()) for e in stanza.iter(f"{{{JIBRI}}}jibri-recording-status"))


def said(wanted):
    return any(fits(stanza, wanted) for stanza in talks[0].stanzas)


def status(wanted):
    """The focus's word about the recording that has these attributes; what it said before is forgotten."""
    found = talks[0].get(lambda stanza: fits(stanza, wanted), 15)
    talks[0].stanzas = [s for s in talks[0].stanzas if not fits(s, {})]
    return found


def comes_and_goes():
    talk = Talk(house, pupils[2].join()).enter()
    talk.send(f"<presence xmlns='jabber:client' type='unavailable' to='{talk.muc}/{talk.nick}'/>")
    talk.get(lambda e: e.tag.endswith("}presence") and e.get("type") == "unavailable" and e.get("from", "").endswith(talk.nick))
    talk.close()


def test_full():
    """while the disk is full the class goes on and takes people in; what cannot be kept is refused and counted"""
    before, pids = house.metrics(), house.pids()
    assert record("start", recording_mode="file").get("type") == "result"
    status({"status": "on"})
    fill()
    for i in (0, 1):
        talks[i].say(f"full {i}")
        talks[1 - i].hears(f"full {i}")
    code, value = teacher.call("POST", "/api/classes", {"title": "No room"})
    assert (code, value["error"]) == (507, "disk-full"), (code, value)
    assert house.metrics()["darasa_web_disk_full_total"] > before["darasa_web_disk_full_total"]
    # Somebody who is signed in comes late.
    assert pupils[1].call("GET", "/api/me")[0] == 200
    talks.append(Talk(house, pupils[1].join()).enter())
    talks[2].say("late")
    talks[0].hears("late")
    # Who comes and goes is written into the recording, until its last page is full: the teacher is told, it stays on.
    until("word of the recorder", lambda: comes_and_goes() or said({"status": "on", "trouble": "disk"}), 30)
    assert house.pids().keys() >= pids.keys() and all(house.pids()[k] == v for k, v in pids.items())


def test_room_again():
    """with room again everything is kept, also what happened meanwhile"""
    os.unlink(os.path.join(DATA, "filler"))
    status({"status": "on", "trouble": "disk"})
    status({"status": "on", "trouble": None})
    until("the late pupil's attendance", lambda: len(teacher.good("GET", f"/api/classes/{talks[0].place['class']}/attendance")["intervals"]) >= 4, 90)
    assert teacher.good("POST", "/api/classes", {"title": "Room again"})["title"] == "Room again"
    assert record("stop").get("type") == "result"
    status({"status": "off"})


def test_refused():
    """no recording begins without room; the teacher is told why"""
    fill()
    record("start", recording_mode="file")
    status({"status": "off", "trouble": "disk"})
    os.unlink(os.path.join(DATA, "filler"))
    for talk in talks:
        assert not talk.code
    assert house.stop() == 0
    database = sqlite3.connect(os.path.join(DATA, "school/darasa.db"))
    assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert database.execute("SELECT count(*) FROM class WHERE title = 'Room again'").fetchall() == [(1,)]
    database.close()


def test_start():
    """a house that starts on a full disk says so in one sentence and harms nothing"""
    fill()
    again = House("--host", HOST, data=DATA, demo=False, ready=False)
    try:
        code = again.process.wait(8)
        said = [line for line in again.lines if line.startswith("darasa: ")]
        assert code == 1 and said, again.lines
    except subprocess.TimeoutExpired:  # it could start all the same
        again.stop()
    os.unlink(os.path.join(DATA, "filler"))
    again = House("--host", HOST, data=DATA, demo=False)
    assert again.stop() == 0
    subprocess.run(["umount", DATA], check=True)


run([test_full, test_room_again, test_refused, test_start])
