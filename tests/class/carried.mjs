// What a host's network card carries, by what it is: bytes of IP packets. Media is told apart by its headers, which are not encrypted.
import { execFileSync } from 'node:child_process';

const SOUND = '{ 111, 112 }'; // payload types of Opus and RED in our offers
const KINDS = {
    tcp: 'meta l4proto tcp',
    control: 'meta l4proto udp @th,64,2 2 @th,72,8 192-223', // RTCP
    sound: `meta l4proto udp @th,64,2 2 @th,73,7 ${SOUND}`,
    media: 'meta l4proto udp @th,64,2 2', // pictures, repairs and padding
    udp: 'meta l4proto udp', // STUN and DTLS
    other: 'meta nfproto { ipv4, ipv6 }',
};

// Counts from now on.
export function count(space) {
    const chain = (way, hook, card) => `chain ${way} { type filter hook ${hook} priority 0; ${card} != eth0 accept
        ${Object.entries(KINDS).map(([kind, rule]) => `${rule} counter name ${kind}_${way} accept`).join('\n')}
    }`;
    const counters = Object.keys(KINDS).flatMap(kind => [`counter ${kind}_down {}`, `counter ${kind}_up {}`]);
    execFileSync('ip', ['netns', 'exec', space, 'nft', '-f', '-'], { input: `table inet carried {
        ${counters.join('\n')}
        ${chain('down', 'input', 'iifname')}
        ${chain('up', 'output', 'oifname')}
    }` });
}

// Bytes so far: {tcp_down, tcp_up, ...}.
export function carried(space) {
    const { nftables } = JSON.parse(execFileSync('ip', ['netns', 'exec', space, 'nft', '-j', 'list', 'counters', 'table', 'inet', 'carried'],
        { encoding: 'utf8' }));
    return Object.fromEntries(nftables.filter(n => n.counter).map(n => [n.counter.name, n.counter.bytes]));
}

// What came and went between two counts, and sums of it.
export const since = (before, after) => Object.fromEntries(Object.keys(after).map(key => [key, after[key] - before[key]]));
export const sum = (counts, ...kinds) => Object.entries(counts).filter(([key]) => !kinds.length || kinds.includes(key) || kinds.includes(key.split('_')[0]))
    .reduce((all, [, bytes]) => all + bytes, 0);
