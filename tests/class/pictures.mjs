// Takes the README's pictures of a class and of the player into docs/pictures, and others of the player into build/class.
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { HOST, Participant, School, TOP, sleep, until } from './harness.mjs';
import { joinOurs } from './join.mjs';
import { recordings } from './spool.mjs';

const school = new School('pics');
const target = join(TOP, 'docs/pictures');
mkdirSync(target, { recursive: true });

async function take(p, name) {
    const path = join(target, `${name}.png`);
    await p.ask('screenshot', { path });
    execFileSync('ffmpeg', ['-v', 'error', '-y', '-i', path, '-vf', 'split[a][b];[a]palettegen=max_colors=200[p];[b][p]paletteuse=dither=bayer:bayer_scale=4',
        `${path}.small.png`]);
    execFileSync('mv', [`${path}.small.png`, path]);
}

try {
    await school.start();
    const people = [];
    for (const [i, link] of school.people.slice(0, 4).entries()) {
        const p = await Participant.start(school, 'chromium', i + 1, { fps: 5, before: join(TOP, 'tests/class/portrait.js') });
        people.push(p);
        await joinOurs(p, link);
        if (i > 0)
            await p.eval(() => window.__setTone(0));
    }
    const [teacher, pupil] = people;
    const see = (p, count) => until(`${count} pictures`, () => p.eval(count => [...document.querySelectorAll('[data-testid=tile] video, [data-testid=own-tile] video')]
        .filter(v => v.videoWidth >= 320 && v.readyState >= 2).length >= count, count), 60);
    await teacher.click('[data-testid=record]');
    await teacher.until('recording', () => document.querySelector('[data-testid=recording-badge]:not(.pending)') !== null);
    const say = async (p, text) => {
        if (!await p.eval(() => document.querySelector('[data-testid=chat-input]') !== null))
            await p.click('[data-testid=chat]');
        await p.type('[data-testid=chat-input]', text);
        await p.click('[data-testid=chat-send]');
    };
    await say(people[2], 'Good morning!');
    await people[3].click('[data-testid=hand]');
    await say(teacher, 'Good morning, everybody.');
    await say(pupil, 'Is this for right-angled triangles only?');
    await say(teacher, 'Yes, only for those. Let us see why.');
    await pupil.eval(() => document.querySelectorAll('[data-testid=notice] button:last-child').forEach(b => b.click()));
    await see(pupil, 4);
    await sleep(6000); // until the estimate of the line lets large pictures through
    await take(pupil, 'class');
    await teacher.click('[data-testid=screen]');
    await until('the slide', () => pupil.eval(() => [...document.querySelectorAll('[data-testid=tile][data-kind=desktop] video')].some(v => v.videoWidth > 600)), 40);
    await sleep(4000);
    await pupil.screenshot('pics-lesson');
    await teacher.click('[data-testid=record]');
    const [id] = recordings(school);
    await teacher.goto(`https://${HOST}/recordings`);
    for (const p of people.slice(1))
        await p.close();
    await until('files', () => teacher.eval(async id => (await (await fetch(`/api/recordings/${id}`)).json()).files.mp4, id), 200);
    await teacher.screenshot('pics-recordings');
    await teacher.goto(`https://${HOST}/recordings/${id}`);
    await teacher.until('player', () => document.querySelector('[data-testid=player]') !== null, 30);
    const seek = time => teacher.eval(time => {
        const bar = document.querySelector('[data-testid=seek]');
        bar.value = String(time < 0 ? Number(bar.max) + time : time);
        bar.dispatchEvent(new Event('input', { bubbles: true }));
    }, time);
    const view = name => teacher.eval(name => {
        const box = document.querySelector('[data-testid=view]');
        const select = box.tagName === 'SELECT' ? box : box.querySelector('select');
        select.value = name;
        select.dispatchEvent(new Event('change', { bubbles: true }));
    }, name);
    await seek(-4);
    await teacher.click('[data-testid=play]');
    await sleep(1500);
    await take(teacher, 'player');
    await teacher.click('[data-testid=play]');
    await view('gallery');
    await sleep(1500);
    await teacher.screenshot('pics-player-gallery');
    await teacher.ask('size', { width: 360, height: 740 });
    await sleep(1000);
    await teacher.screenshot('pics-player-360');
    await view('screen');
    await teacher.eval(() => localStorage.setItem('darasa-language', 'ar'));
    await teacher.eval(async () => {
        const { csrf } = await (await fetch('/api/me')).json();
        await fetch('/api/me', { method: 'PATCH', body: '{"language":"ar"}', headers: { 'Content-Type': 'application/json', 'X-CSRF-Token': csrf } });
    });
    await teacher.goto(`https://${HOST}/recordings/${id}`);
    await teacher.until('player', () => document.querySelector('[data-testid=player]') !== null, 30);
    await sleep(1500);
    await teacher.screenshot('pics-player-360-ar');
    await teacher.ask('size', { width: 1280, height: 800 });
    await sleep(1000);
    await teacher.screenshot('pics-player-ar');
} catch (error) {
    console.error(error);
    for (const p of school.participants)
        await p.screenshot(`pics-failed-${p.identity}`).catch(() => {});
    process.exitCode = 1;
} finally {
    await school.stop();
}
process.exit();
