// Before the page: a browser that neither takes redundant sound nor makes corrections of its own.
(() => {
    const PeerConnection = window.RTCPeerConnection;
    const set = PeerConnection?.prototype.setRemoteDescription;
    if (!set)
        return;
    const plain = sdp => {
        const red = sdp.match(/a=rtpmap:(\d+) red\//)?.[1];
        let out = sdp.replaceAll('useinbandfec=1', 'useinbandfec=0');
        if (red) {
            out = out.split('\r\n').filter(line => !new RegExp(`^a=(rtpmap|fmtp|rtcp-fb):${red} `).test(line))
                .map(line => line.startsWith('m=audio') ? line.replace(new RegExp(` ${red}(?= |$)`), '') : line).join('\r\n');
        }
        return out;
    };
    PeerConnection.prototype.setRemoteDescription = function setPlain(description, ...rest) {
        return set.call(this, description?.sdp ? { type: description.type, sdp: plain(description.sdp) } : description, ...rest);
    };
})();
