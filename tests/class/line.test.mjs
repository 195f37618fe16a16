// A line that narrows, both ways: what a pupil is told about it, that the voices get through both ways on one connection, and that
// nothing is said any more when it is wide again.
import { HOST, Participant, School, finish, sleep, test } from './harness.mjs';
import { joinOurs } from './join.mjs';

// Every word that was shown, with its time.
function record() {
    const seen = window.__lines = [];
    setInterval(() => {
        const element = document.querySelector('[data-testid=line]');
        const line = element?.dataset.line;
        if (line && seen.at(-1)?.line !== line)
            seen.push({ line, at: Date.now(), text: element.textContent });
    }, 50);
    return true;
}

const heard = number => window.__media.remoteAudio().some(track => window.__media.readAudio(track).some(tone => tone.number === number));
const shows = (p, lines, seconds) => p.until(`the words ${lines}`, wanted => wanted.includes(document.querySelector('[data-testid=line]')?.dataset.line), seconds, lines);

async function isReadable(p, name) {
    const box = await p.eval(() => {
        const { left, right, height } = document.querySelector('[data-testid=line] p').getBoundingClientRect();
        return { left, right, height, width: innerWidth, live: document.querySelector('[data-testid=line]').getAttribute('aria-live') };
    });
    await p.screenshot(name);
    if (box.left < 0 || box.right > box.width || box.height > 120 || box.live !== 'polite')
        throw new Error(JSON.stringify(box));
}

const school = new School('line');
try {
    await school.start();
    const teacher = await Participant.start(school, 'chromium', 1, { fps: 12 });
    const other = await Participant.start(school, 'chromium', 2, { fps: 12 });
    const pupil = await Participant.start(school, 'chromium', 3, { fps: 8 });
    await test('a pupil is told that the line is slow, and that it is not any more', school, async () => {
        await joinOurs(teacher, school.people[0]);
        await joinOurs(other, school.people[1]);
        await pupil.goto(`https://${HOST}/`);
        await pupil.eval(() => localStorage.setItem('darasa-language', 'fr'));
        await pupil.size(360, 640);
        await school.network.shape(pupil.space, { delay: 20, rate: 4000 });
        await joinOurs(pupil, school.people[2]);
        await pupil.eval(record);
        await pupil.until('sound', heard, 30, 1);
        await sleep(15000);
        const calm = await pupil.eval(() => window.__lines.map(l => l.line));
        if (calm.join() !== 'whole')
            throw new Error(`on a good line: ${calm}`);
        await school.network.shape(pupil.space, { delay: 20, rate: 300 });
        await shows(pupil, ['smaller'], 30);
        await isReadable(pupil, 'line-smaller-fr');
        // A voice in packets of 20 ms takes 59 kb/s.
        await school.network.shape(pupil.space, { delay: 20, rate: 80 });
        await shows(pupil, ['sound', 'voice'], 40);
        await isReadable(pupil, 'line-sound-fr');
        await pupil.until('the voice', heard, 10, 1);
        await teacher.until('the pupil’s voice', heard, 30, 3);
        const connections = await pupil.eval(() => window.__media.connections.length);
        if (connections !== 1)
            throw new Error(`media was begun ${connections} times`);
        await school.network.shape(pupil.space, { delay: 20, rate: 4000 });
        await shows(pupil, ['back'], 60);
        await isReadable(pupil, 'line-back-fr');
        await shows(pupil, ['whole'], 20);
        const all = await pupil.eval(() => window.__lines);
        console.log(all.map((l, i) => `${i ? `${l.at - all[i - 1].at} ms ` : ''}${l.line}`).join(', '));
        if (all.length > 9)
            throw new Error(`it flaps: ${all.map(l => l.line)}`);
    });
} finally {
    await school.stop();
}
finish();
