// One public address and one number: TCP 443 carries pages, signalling and TURN over TLS, told apart by name; UDP 443 media.
import { HOST, Participant, School, finish, test, until } from './harness.mjs';
import { allSeeAll, joinOurs, leaveOurs, rejoinOurs, travelsBy } from './join.mjs';
import { PUBLIC, PUBLIC6 } from './network.mjs';

const school = new School('one_port', { v6: true });

try {
    await school.start(['--turn', '--set', 'media.port=443', '--set', `turn.host=turn.${HOST}`]);
    const links = school.people;
    const teacher = await Participant.start(school, 'chromium', 1);
    const pupil = await Participant.start(school, 'firefox', 2, { fps: 8 });
    const third = await Participant.start(school, 'chromium', 3, { fps: 8, space: school.network.host6() });
    const all = [teacher, pupil, third];
    for (const p of all)
        school.network.only(p.space, { tcp: [443], udp: [443] });
    await test('one port: UDP 443 and TCP 443 are enough', school, async () => {
        for (const [i, p] of all.entries())
            await joinOurs(p, links[i]);
        await allSeeAll(until, all);
        for (const p of all)
            await travelsBy(p, { protocol: 'udp', remote: p === third ? PUBLIC6 : PUBLIC, port: 443 });
    });
    await test('one port: TCP 443 alone is enough', school, async () => {
        await leaveOurs(third);
        school.network.only(third.space, { tcp: [443] });
        await rejoinOurs(third);
        await allSeeAll(until, all);
        await travelsBy(third, { type: 'relay', relay: 'tls', url: `turns:turn.${HOST}:443?transport=tcp` });
    });
} catch (error) {
    await test('one_port', school, () => { throw error; });
} finally {
    await school.stop();
}
finish();
