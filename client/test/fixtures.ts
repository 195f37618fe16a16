export const INITIATE = `<jingle xmlns='urn:xmpp:jingle:1' action='session-initiate' sid='s1' initiator='r@m/focus'>
<content creator='initiator' name='audio' senders='both'>
<description xmlns='urn:xmpp:jingle:apps:rtp:1' media='audio'>
<payload-type id='111' name='opus' clockrate='48000' channels='2'><parameter name='minptime' value='10'/><parameter name='useinbandfec' value='1'/><rtcp-fb xmlns='urn:xmpp:jingle:apps:rtp:rtcp-fb:0' type='transport-cc'/></payload-type>
<rtp-hdrext xmlns='urn:xmpp:jingle:apps:rtp:rtp-hdrext:0' id='1' uri='urn:ietf:params:rtp-hdrext:ssrc-audio-level'/>
<extmap-allow-mixed xmlns='urn:xmpp:jingle:apps:rtp:rtp-hdrext:0'/><rtcp-mux/>
<source xmlns='urn:xmpp:jingle:apps:rtp:ssma:0' ssrc='1001' name='jvb-a0'><parameter xmlns='urn:xmpp:jingle:apps:rtp:1' name='msid' value='mixedmslabel mixedlabelaudio0'/><ssrc-info xmlns='http://jitsi.org/jitmeet' owner='jvb'/></source>
</description>
<transport xmlns='urn:xmpp:jingle:transports:ice-udp:1' ufrag='u1' pwd='p1'><rtcp-mux/><fingerprint xmlns='urn:xmpp:jingle:apps:dtls:0' hash='sha-256' setup='actpass'>AA:BB</fingerprint>
<candidate component='1' foundation='1' generation='0' id='c1' ip='203.0.113.5' network='0' port='10000' priority='2130706431' protocol='udp' type='host'/>
<candidate component='1' foundation='2' generation='0' id='c2' ip='198.51.100.7' network='0' port='10000' priority='1694498815' protocol='udp' type='srflx' rel-addr='203.0.113.5' rel-port='10000'/>
<web-socket xmlns='http://jitsi.org/protocol/colibri' url='wss://d/colibri-ws/s/c/1a2b3c4d?pwd=x'/></transport>
</content>
<content creator='initiator' name='video' senders='both'>
<description xmlns='urn:xmpp:jingle:apps:rtp:1' media='video'>
<payload-type id='100' name='VP8' clockrate='90000'><rtcp-fb xmlns='urn:xmpp:jingle:apps:rtp:rtcp-fb:0' type='nack'/><rtcp-fb xmlns='urn:xmpp:jingle:apps:rtp:rtcp-fb:0' type='nack' subtype='pli'/></payload-type>
<payload-type id='96' name='rtx' clockrate='90000'><parameter name='apt' value='100'/></payload-type>
<rtp-hdrext xmlns='urn:xmpp:jingle:apps:rtp:rtp-hdrext:0' id='5' uri='http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01'/><rtcp-mux/>
<source xmlns='urn:xmpp:jingle:apps:rtp:ssma:0' ssrc='2001' name='b-v0' videoType='desktop'><parameter xmlns='urn:xmpp:jingle:apps:rtp:1' name='msid' value='st tr'/><ssrc-info xmlns='http://jitsi.org/jitmeet' owner='r@m/b'/></source>
<source xmlns='urn:xmpp:jingle:apps:rtp:ssma:0' ssrc='2002' name='b-v0'><parameter xmlns='urn:xmpp:jingle:apps:rtp:1' name='msid' value='st tr'/><ssrc-info xmlns='http://jitsi.org/jitmeet' owner='r@m/b'/></source>
<ssrc-group xmlns='urn:xmpp:jingle:apps:rtp:ssma:0' semantics='FID'><source xmlns='urn:xmpp:jingle:apps:rtp:ssma:0' ssrc='2001'/><source xmlns='urn:xmpp:jingle:apps:rtp:ssma:0' ssrc='2002'/></ssrc-group>
</description>
<transport xmlns='urn:xmpp:jingle:transports:ice-udp:1' ufrag='u1' pwd='p1'><fingerprint xmlns='urn:xmpp:jingle:apps:dtls:0' hash='sha-256' setup='actpass'>AA:BB</fingerprint></transport>
</content>
<group xmlns='urn:xmpp:jingle:apps:grouping:0' semantics='BUNDLE'><content name='audio'/><content name='video'/></group>
<bridge-session xmlns='http://jitsi.org/protocol/focus' id='bs1' region='eu'/>
</jingle>`.replace(/>\s+</g, '><');
