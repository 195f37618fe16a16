"""darasactl: the configuration, backup while the house runs, restore, and databases of another age."""
import os, shutil, sqlite3, subprocess, tarfile

from house import CTL, HOST, Browser, House, Talk, name_host, root, run, until

name_host()
RESTORED = os.path.join(root, "restored")
BACKUP = os.path.join(root, "school.backup")


def ctl(*args):
    done = subprocess.run([CTL, *args], capture_output=True, text=True, timeout=60, cwd=root)
    return done.returncode, done.stdout, done.stderr


def tree(top):
    """{path: bytes} of all files"""
    found = {}
    for folder, _, names in os.walk(top):
        for name in names:
            path = os.path.join(folder, name)
            found[os.path.relpath(path, top)] = open(path, "rb").read()
    return found


def test_config():
    """darasactl says what is wrong with a configuration, and where"""
    status, out, err = ctl()
    assert status == 2 and not out and "usage:" in err and "backup" in err and "config check" in err
    status, out, _ = ctl("config", "print")
    path = os.path.join(root, "all.conf")
    with open(path, "w") as f:
        f.write(out)
    assert status == 0 and "media.public_address" in out
    status, out, err = ctl("config", "check", path)
    assert (status, out, err) == (0, f"{path} is fine.\n", ""), (out, err)
    for text, complaint in (("host = a.test\n\nmedia.prot = 1\n", "line 3: unknown key 'media.prot'"), ("[media]\nport = 70000\n", "line 2: media.port must be"),
                            ("tls = files\n", "needs tls.certificate and tls.key"), ("host = a b\n", "line 1: host must be"),
                            ("watchdog = 1\nwatchdog = 2\n", "line 2: watchdog is given twice"), ("nonsense\n", "line 1: a line is: key = value")):
        with open(path, "w") as f:
            f.write(text)
        status, out, err = ctl("config", "check", path)
        assert status == 1 and not out and complaint in err and err.count("\n") == 1, (text, err)
        house = House("--config", path, ready=False)
        assert house.process.wait(10) == 2
    assert ctl("config", "check", "/nonexistent")[0] == 1


def test_round_trip():
    """a backup of a running house restores people, classes, sessions and recordings"""
    recording = "11111111-2222-4333-8444-555555555555"
    house = House("--host", HOST, data="data")
    admin = Browser(house).enter("Administrator")
    admin.good("POST", "/api/people", {"name": "Dalila", "account": "dalila", "role": "pupil", "password": "a long pass phrase 7"})
    admin.good("POST", "/api/classes", {"title": "Astronomy"})
    child = Browser(house)
    child.good("POST", "/api/signin", {"account": "dalila", "password": "a long pass phrase 7"})
    teacher = Talk(house, Browser(house).enter(house.people[0]).join()).enter()
    Talk(house, Browser(house).enter(house.people[1]).join()).enter()
    teacher.ask("set", f"{teacher.muc}/focus", "<jibri xmlns='http://jitsi.org/protocol/jibri' action='start' recording_mode='file'/>")
    recording = until("a recording", lambda: os.listdir(os.path.join(house.data, "recordings")))[0]
    until("its spool", lambda: os.listdir(os.path.join(house.data, "recordings", recording, "spool")))
    folder = os.path.join(house.data, "recordings", recording, "out")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "large.bin"), "wb") as f:
        f.write(os.urandom(3_000_000))
    status, out, err = ctl("backup", "--data", house.data, BACKUP)
    assert status == 0 and "files" in out, (out, err)
    assert os.stat(BACKUP).st_mode & 0o777 == 0o600
    names = tarfile.open(BACKUP).getnames()
    assert "school/darasa.db" in names and f"recordings/{recording}/out/large.bin" in names, names
    Talk(house, child.good("GET", "/api/me") and Browser(house).enter(house.people[2]).join()).enter()  # it runs on
    assert house.stop() == 0
    before = {k: v for k, v in tree(house.data).items() if k.startswith(("secrets", "tls"))}
    status, out, err = ctl("restore", "--data", RESTORED, BACKUP)
    assert status == 0, err
    after = tree(RESTORED)
    assert before and all(after[k] == v for k, v in before.items())
    assert len(after[f"recordings/{recording}/out/large.bin"]) == 3_000_000
    house = House("--host", HOST, data=RESTORED, demo=False)
    child.house = house
    assert child.call("GET", "/api/me")[1]["user"]["name"] == "Dalila", "a session"
    admin.house = house
    assert "Astronomy" in [c["title"] for c in admin.good("GET", "/api/classes")["classes"]]
    assert recording in [r["id"] for r in admin.good("GET", "/api/recordings")["recordings"]]
    assert Browser(house).call("POST", "/api/signin", {"account": "dalila", "password": "a long pass phrase 7"})[0] == 200
    assert house.stop() == 0


def test_not_empty():
    """a restore leaves a data directory that is in use or not empty alone, unless forced; then the old one is kept"""
    house = House(data=RESTORED, demo=False)
    status, _, err = ctl("restore", "--data", RESTORED, "--force", BACKUP)
    assert status == 1 and "runs" in err and err.count("\n") == 1, err
    assert house.stop() == 0
    mark = os.path.join(RESTORED, "mark")
    open(mark, "w").close()
    before = tree(RESTORED)
    status, _, err = ctl("restore", "--data", RESTORED, BACKUP)
    assert status == 1 and "not empty" in err and err.count("\n") == 1 and tree(RESTORED) == before, err
    damaged = os.path.join(root, "damaged.backup")
    data = bytearray(open(BACKUP, "rb").read())
    data[len(data) // 2] ^= 1
    open(damaged, "wb").write(data)
    status, _, err = ctl("restore", "--data", RESTORED, "--force", damaged)
    assert status == 1 and "damaged" in err and tree(RESTORED) == before, err
    status, out, err = ctl("restore", "--data", RESTORED, "--force", BACKUP)
    assert status == 0 and RESTORED + ".replaced" in out, (out, err)
    assert not os.path.exists(mark) and os.path.exists(os.path.join(RESTORED + ".replaced", "mark"))
    house = House(data=RESTORED, demo=False)
    assert house.stop() == 0
    status, _, err = ctl("restore", "--data", RESTORED, "--force", BACKUP)
    assert status == 1 and ".replaced" in err, "nobody's only copy is thrown away"


def test_schema():
    """a database of a newer Darasa is refused with a sentence and not touched"""
    data = os.path.join(root, "newer")
    shutil.copytree(RESTORED, data)
    path = os.path.join(data, "school/darasa.db")
    database = sqlite3.connect(path)
    with database:
        database.execute("UPDATE schema SET version = 1000")
    database.close()
    before = open(path, "rb").read()
    house = House(data=data, demo=False, ready=False)
    assert house.process.wait(20) == 1, house.lines
    text = "\n".join(house.lines)
    assert "newer" in text, text
    assert open(path, "rb").read() == before
    shutil.rmtree(data)


run([test_config, test_round_trip, test_not_empty, test_schema])
