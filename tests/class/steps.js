// Runs in a page before its own scripts: notes when the steps on the way into a class are done, and presses the button at once.
(() => {
    const steps = [];
    const step = name => steps.push([name, performance.now()]);
    window.WebSocket = new Proxy(window.WebSocket, { construct(target, args) {
        const socket = new target(...args);
        const name = new URL(args[0]).pathname.split('/')[1];
        step(`${name} asked for`);
        socket.addEventListener('open', () => step(`${name} open`));
        socket.addEventListener('message', ({ data }) => step(`${name} says ${data.match(/session-initiate|\w+SourcesMap|[\w:]+/)[0]}`));
        return socket;
    } });
    window.RTCPeerConnection = new Proxy(window.RTCPeerConnection, { construct(target, args) {
        const peer = new target(...args);
        step('connection made');
        peer.addEventListener('signalingstatechange', () => step(`signalling ${peer.signalingState}`));
        peer.addEventListener('iceconnectionstatechange', () => step(`ICE ${peer.iceConnectionState}`));
        peer.addEventListener('connectionstatechange', () => step(`connection ${peer.connectionState}`));
        peer.addEventListener('track', () => step('track'));
        return peer;
    } });
    const press = new MutationObserver(() => {
        const button = document.querySelector('[data-testid=join]:enabled');
        if (!button)
            return;
        press.disconnect();
        step('button pressed');
        button.click();
    });
    press.observe(document, { childList: true, subtree: true });
    window.__steps = { read() {
        const loads = [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]
            .flatMap(e => [[`${new URL(e.name).pathname} asked for`, e.requestStart], [`${new URL(e.name).pathname} there`, e.responseEnd]]);
        return [...steps, ...loads].sort((a, b) => a[1] - b[1]);
    } };
})();
