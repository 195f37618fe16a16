// A house without IPv4: the server has IPv6 alone, and so have its people. Both browsers join, hear and see, by UDP and by TCP.
import { execFileSync } from 'node:child_process';
import { Participant, School, finish, test, until } from './harness.mjs';
import { allSeeAll, joinOurs, leaveOurs, rejoinOurs, travelsBy } from './join.mjs';
import { PUBLIC6 } from './network.mjs';

const school = new School('six', { v4: false });

// Every address of the page's candidates, its own and the server's.
const addresses = p => p.eval(async () => {
    const out = [];
    for (const connection of window.__media.connections.filter(c => c.connectionState === 'connected'))
        for (const s of (await connection.getStats()).values())
            if (s.type === 'remote-candidate' || s.type === 'local-candidate')
                out.push(s.address ?? s.ip ?? '');
    return out;
});

try {
    await school.start();
    const teacher = await Participant.start(school, 'chromium', 1, { fps: 8 });
    const pupil = await Participant.start(school, 'firefox', 2, { fps: 8 });
    const people = [teacher, pupil];
    await test('without IPv4: both browsers join, all see and hear all', school, async () => {
        await joinOurs(teacher, school.people[0]);
        await joinOurs(pupil, school.people[1]);
        await allSeeAll(until, people);
        for (const p of people)
            await travelsBy(p, { protocol: 'udp', remote: PUBLIC6 });
        for (const space of [school.network.server, ...people.map(p => p.space)])
            if (/inet (?!127\.)/.test(execFileSync('ip', ['-n', space, '-4', 'addr'], { encoding: 'utf8' })))
                throw new Error(`${space} has IPv4`);
        for (const p of people) {
            const found = await addresses(p);
            if (!found.includes(PUBLIC6) || found.some(address => /^[\d.]+$/.test(address)))
                throw new Error(`${p.kind}: ${found}`);
        }
        await leaveOurs(pupil);
    });
    await test('without IPv4 and UDP: by TCP', school, async () => {
        school.network.only(pupil.space, { tcp: [443, 10000] });
        await rejoinOurs(pupil);
        await allSeeAll(until, people);
        await travelsBy(pupil, { protocol: 'tcp', remote: PUBLIC6 });
    });
} catch (error) {
    await test('six', school, () => { throw error; });
} finally {
    await school.stop();
}
finish();
