// A small internet in network namespaces: a router with a 1:1 NAT before the server, and hosts outside of it. Every link
// has the same MTU. Addresses are from the documentation ranges and exist only inside these namespaces.
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

const LINE = new URL('../../build/release/tests/support/line', import.meta.url).pathname;
export const PUBLIC = '198.51.100.10';
export const PUBLIC6 = '2001:db8:77::2';
const PRIVATE = '10.77.0.2';

function ip(...args) {
    execFileSync('ip', args, { stdio: ['ignore', 'pipe', 'pipe'] });
}

export class Network {
    constructor(name, hostName, { v4 = true, v6 = !v4, mtu = 1280, exact = false } = {}) {
        this.name = name;
        this.v4 = v4;
        this.v6 = v6;
        this.public = v4 ? PUBLIC : PUBLIC6; // where the world finds the server
        this.mtu = String(mtu);
        this.exact = exact; // rates are those of IP's bytes; else each packet takes 58 bytes more
        this.hostName = hostName;
        this.spaces = [];
        this.hosts = 0;
        this.addresses = {};
        this.lines = new Map();
        this.shared = 0;
    }

    space(suffix) {
        const name = `${this.name}-${suffix}`;
        ip('netns', 'add', name);
        this.spaces.push(name);
        ip('-n', name, 'link', 'set', 'lo', 'up');
        // Addresses are there at once and stay: a browser that sees one come breaks off what it is loading.
        execFileSync('ip', ['netns', 'exec', name, 'sh', '-c', 'for i in all default; do echo 0 >/proc/sys/net/ipv6/conf/$i/accept_dad; done']);
        mkdirSync(`/etc/netns/${name}`, { recursive: true });
        writeFileSync(`/etc/netns/${name}/hosts`, `${this.v4 ? '127.0.0.1' : '::1'} localhost\n${this.public} ${this.hostName} turn.${this.hostName}\n`);
        writeFileSync(`/etc/netns/${name}/resolv.conf`, '');
        return name;
    }

    // A pair of ends a (in spaceA) and b (in spaceB).
    cable(spaceA, a, spaceB, b) {
        ip('-n', spaceA, 'link', 'add', a, 'mtu', this.mtu, 'type', 'veth', 'peer', 'name', b, 'mtu', this.mtu, 'netns', spaceB);
        ip('-n', spaceA, 'link', 'set', a, 'up');
        ip('-n', spaceB, 'link', 'set', b, 'up');
        // Packets are whole and carry their checksums, as on a real cable.
        for (const [space, end] of [[spaceA, a], [spaceB, b]])
            execFileSync('ip', ['netns', 'exec', space, 'ethtool', '-K', end, 'tx', 'off', 'tso', 'off', 'gso', 'off', 'gro', 'off'],
                { stdio: 'ignore' });
    }

    start() {
        this.router = this.space('r');
        this.server = this.space('s');
        this.cable(this.router, 'lan', this.server, 'eth0');
        // An address of its own: it would take that of one of its ports, and what a host then sends to the router would get there
        // past the line when the port leaves.
        ip('-n', this.router, 'link', 'add', 'wan', 'address', '02:00:00:00:00:01', 'mtu', this.mtu, 'type', 'bridge');
        ip('-n', this.router, 'link', 'set', 'wan', 'up');
        if (this.v4)
            this.start4();
        if (this.v6)
            this.start6();
        return this;
    }

    start4() {
        ip('-n', this.router, 'addr', 'add', '10.77.0.1/24', 'dev', 'lan');
        ip('-n', this.server, 'addr', 'add', `${PRIVATE}/24`, 'dev', 'eth0');
        ip('-n', this.server, 'route', 'add', 'default', 'via', '10.77.0.1');
        ip('-n', this.router, 'addr', 'add', '198.51.100.1/24', 'dev', 'wan');
        ip('-n', this.router, 'addr', 'add', `${PUBLIC}/24`, 'dev', 'wan');
        execFileSync('ip', ['netns', 'exec', this.router, 'sh', '-c', `
            echo 1 >/proc/sys/net/ipv4/ip_forward
            # A port that left for a line must not answer for the router: what asks there would send past the line.
            echo 1 >/proc/sys/net/ipv4/conf/all/arp_ignore
            nft -f - <<X
            table ip nat {
                chain pre { type nat hook prerouting priority -100; ip daddr ${PUBLIC} dnat to ${PRIVATE}; }
                chain post { type nat hook postrouting priority 100; ip saddr ${PRIVATE} oifname wan snat to ${PUBLIC}; }
            }
X`]);
    }

    // IPv6, routed as it should be: no NAT.
    start6() {
        ip('-n', this.router, 'addr', 'add', '2001:db8:77::1/64', 'dev', 'lan');
        ip('-n', this.router, 'addr', 'add', '2001:db8:51::1/64', 'dev', 'wan');
        ip('-n', this.server, 'addr', 'add', `${PUBLIC6}/64`, 'dev', 'eth0');
        ip('-n', this.server, 'route', 'add', 'default', 'via', '2001:db8:77::1');
        execFileSync('ip', ['netns', 'exec', this.router, 'sh', '-c', 'echo 1 >/proc/sys/net/ipv6/conf/all/forwarding']);
    }

    // A host that has IPv6 only.
    host6() {
        const n = ++this.hosts;
        const space = this.space(`h${n}`);
        writeFileSync(`/etc/netns/${space}/hosts`, `::1 localhost\n${PUBLIC6} ${this.hostName} turn.${this.hostName}\n`);
        this.cable(this.router, `h${n}`, space, 'eth0');
        ip('-n', this.router, 'link', 'set', `h${n}`, 'master', 'wan');
        this.addresses[space] = `2001:db8:51::${20 + n}`;
        ip('-n', space, 'addr', 'add', `${this.addresses[space]}/64`, 'dev', 'eth0');
        ip('-n', space, 'route', 'add', 'default', 'via', '2001:db8:51::1');
        return space;
    }

    // A host on the outside; returns its namespace.
    host() {
        if (!this.v4)
            return this.host6();
        const n = ++this.hosts;
        const space = this.space(`h${n}`);
        this.cable(this.router, `h${n}`, space, 'eth0');
        ip('-n', this.router, 'link', 'set', `h${n}`, 'master', 'wan');
        this.addresses[space] = `198.51.100.${20 + n}`;
        ip('-n', space, 'addr', 'add', `${this.addresses[space]}/24`, 'dev', 'eth0');
        ip('-n', space, 'route', 'add', 'default', 'via', '198.51.100.1');
        return space;
    }

    // Gives a host a new address, as a phone that changes its network.
    roam(space, address) {
        this.addresses[space] = address;
        ip('-n', space, 'addr', 'flush', 'dev', 'eth0');
        ip('-n', space, 'addr', 'add', `${address}/24`, 'dev', 'eth0');
        ip('-n', space, 'route', 'add', 'default', 'via', '198.51.100.1');
    }

    // Lets what a host sends by UDP arrive from another address, as when a NAT on the way gives it a new one: the host itself
    // does not know. Answers find their way.
    renumber(space, address) {
        const own = this.addresses[space];
        execFileSync('ip', ['netns', 'exec', this.router, 'nft', '-f', '-'], { input: `table ip renumber-${space.split('-').pop()}
            delete table ip renumber-${space.split('-').pop()}
            table ip renumber-${space.split('-').pop()} { chain pre { type filter hook prerouting priority -300;
                iifname wan meta l4proto udp ip saddr ${own} ip saddr set ${address}
                iifname lan meta l4proto udp ip daddr ${address} ip daddr set ${own}
            }
            }` });
    }

    // Takes a host's TCP away, or gives it back: packets vanish without a word. Its UDP goes on.
    cutTcp(space, cut) {
        execFileSync('ip', ['netns', 'exec', space, 'nft', '-f', '-'], { input: cut ? `table inet cut {
            chain in { type filter hook input priority 0; meta l4proto tcp iifname eth0 drop; }
            chain out { type filter hook output priority 0; meta l4proto tcp oifname eth0 drop; }
        }` : 'delete table inet cut' });
    }

    // How many packets of the server's were too large for its link and were cut, since the start.
    cutByServer() {
        const [names, values] = execFileSync('ip', ['netns', 'exec', this.server, 'cat', '/proc/net/snmp'], { encoding: 'utf8' }).split('\n')
            .map(line => line.split(' '));
        return Number(values[names.indexOf('FragCreates')]);
    }

    // Lets only these ports of servers through to a host, without a word about the rest: {tcp: [443], udp: []}; null: all again.
    // On the router, as a school's firewall: where the host itself drops, its programs are told.
    only(space, ports) {
        const own = this.addresses[space], family = own.includes(':') ? 'ip6' : 'ip', table = `inet only-${space.split('-').pop()}`;
        const rules = [['saddr', 'dport'], ['daddr', 'sport']].flatMap(([address, port]) => [
            ...['tcp', 'udp'].flatMap(p => (ports?.[p] ?? []).map(n => `${family} ${address} ${own} ${p} ${port} ${n} accept`)),
            `${family} ${address} ${own} meta l4proto { tcp, udp } drop`]);
        execFileSync('ip', ['netns', 'exec', this.router, 'nft', '-f', '-'], { input: `table ${table}\ndelete table ${table}
            ${ports ? `table ${table} {\nchain forward { type filter hook forward priority 0; ${rules.join('; ')}; }\n}` : ''}` });
    }

    // What a host sends and receives goes over a line of its own from now on: {delay, jitter, queue} in ms, loss in percent,
    // rate in kb/s; null: a clean line again. `up`: what it sends, if that is something else.
    async shape(space, rule, up = rule) {
        if (!this.lines.has(space) && !rule)
            return;
        if (!this.lines.has(space)) {
            const n = space.split('-h').pop();
            ip('-n', this.router, 'link', 'set', `h${n}`, 'nomaster');
            this.lines.set(space, await this.line(`h${n}`, n));
        }
        this.bend(space, rule, up);
    }

    // One line for several hosts: returns what to call it in bend() and waits(). None of them may have a line of its own.
    async share(spaces, rule, up = rule) {
        const n = `s${++this.shared}`;
        // In a place of its own: what is forwarded twice in one has its addresses changed twice.
        const home = this.space(n);
        ip('-n', home, 'link', 'add', 'home', 'mtu', this.mtu, 'type', 'bridge');
        ip('-n', home, 'link', 'set', 'home', 'up');
        this.cable(this.router, `q${n}`, home, `p${n}`);
        const ends = spaces.map(space => `h${space.split('-h').pop()}`);
        for (const end of ends)
            ip('-n', this.router, 'link', 'set', end, 'nomaster', 'netns', home);
        for (const end of [`p${n}`, ...ends])
            ip('-n', home, 'link', 'set', end, 'master', 'home', 'up');
        this.lines.set(n, await this.line(`q${n}`, n));
        this.bend(n, rule, up);
        return n;
    }

    // A line from that end to the outside world.
    async line(end, n) {
        this.cable(this.router, `l${n}`, this.router, `m${n}`);
        ip('-n', this.router, 'link', 'set', `m${n}`, 'master', 'wan');
        const line = spawn('ip', ['netns', 'exec', this.router, LINE, end, `l${n}`, ...(this.exact ? ['ip'] : [])], { stdio: ['pipe', 'pipe', 'inherit'] });
        line.answers = createInterface({ input: line.stdout })[Symbol.asyncIterator]();
        if ((await line.answers.next()).done)
            throw new Error('the line ended');
        return line;
    }

    bend(name, rule, up = rule) {
        const text = ({ delay = 0, jitter = 0, loss = 0, rate = 0, queue = 300 }) => `${delay} ${jitter} ${loss} ${rate} ${queue}`;
        this.lines.get(name).stdin.write(`${text(up ?? {})} ${text(rule ?? {})}\n`);
    }

    // How long a packet would wait in the line's queues now, in ms: {up, down}.
    async waits(name) {
        const line = this.lines.get(name);
        line.stdin.write('\n');
        const [up, down] = (await line.answers.next()).value.split(' ').map(Number);
        return { up, down };
    }

    stop() {
        for (const line of this.lines.values())
            line.stdin.end();
        for (const name of this.spaces) {
            try {
                ip('netns', 'del', name);
            } catch { /* gone already */ }
            rmSync(`/etc/netns/${name}`, { recursive: true, force: true });
        }
        this.spaces = [];
    }
}
