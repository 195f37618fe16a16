// Networks that let little through: whoever can reach the server's TCP port only joins, sees and hears all the same.
import { Participant, School, finish, test, until } from './harness.mjs';
import { allSeeAll, joinOurs } from './join.mjs';

const school = new School('reach');

// How the page's media travels: "udp" or "tcp", and "relay" by way of which protocol.
function wayOf(p) {
    return p.eval(async () => {
        const pc = window.__media.connections.filter(c => c.connectionState === 'connected').at(-1);
        const stats = [...(await pc.getStats()).values()];
        const pair = stats.find(s => s.type === 'candidate-pair' && s.nominated && s.state === 'succeeded' && s.bytesReceived > 0);
        const local = stats.find(s => s.id === pair?.localCandidateId);
        return local && { protocol: local.protocol, type: local.candidateType, relay: local.relayProtocol, address: local.address };
    });
}

async function travelsBy(p, wanted) {
    await until(`${p.identity} by ${JSON.stringify(wanted)}`, async () => {
        const way = await wayOf(p);
        if (!way || Object.entries(wanted).some(([key, value]) => way[key] !== value))
            throw new Error(JSON.stringify(way));
        return true;
    }, 20, 500);
}

try {
    await school.start();
    const links = school.people;
    const teacher = await Participant.start(school, 'chromium', 1);
    const pupil = await Participant.start(school, 'chromium', 2, { fps: 8 });
    await test('without UDP a pupil joins over TCP, all see and hear all', school, async () => {
        school.network.block(pupil.space, 'meta l4proto udp');
        await joinOurs(teacher, links[0]);
        await joinOurs(pupil, links[1]);
        await allSeeAll(until, [teacher, pupil]);
        await travelsBy(teacher, { protocol: 'udp' });
        await travelsBy(pupil, { protocol: 'tcp' });
    });
} catch (error) {
    await test('reach', school, () => { throw error; });
} finally {
    await school.stop();
}
finish();
