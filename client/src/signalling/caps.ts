/* What this client can do, as entity capabilities (XEP-0115) and as the disco#info answer behind it. */
import { NS } from './namespaces';
import { Element, xml } from './xml';

export const CAPS_NODE = 'urn:darasa:client';
export const CAPS_IDENTITY = { category: 'client', type: 'web', name: 'Darasa' } as const;

/** In the order of XEP-0115 section 5.1: bytewise. */
export const FEATURES: readonly string[] = [
  NS.discoInfo,
  'http://jitsi.org/json-encoded-sources',
  'http://jitsi.org/receive-multiple-video-streams',
  'http://jitsi.org/source-name',
  'http://jitsi.org/ssrc-rewriting-1',
  'http://jitsi.org/tcc',
  'urn:darasa:early-maps',
  'urn:ietf:rfc:4588',
  NS.jingle,
  'urn:xmpp:jingle:apps:dtls:0',
  'urn:xmpp:jingle:apps:rtp:1',
  'urn:xmpp:jingle:apps:rtp:audio',
  'urn:xmpp:jingle:apps:rtp:video',
  'urn:xmpp:jingle:transports:ice-udp:1',
  NS.ping,
].sort();

/** What XEP-0115 hashes; CAPS_VERSION is its SHA-1 in base 64. A test computes it anew. */
export const CAPS_STRING =
  `${CAPS_IDENTITY.category}/${CAPS_IDENTITY.type}//${CAPS_IDENTITY.name}<` + FEATURES.map((f) => `${f}<`).join('');
export const CAPS_VERSION = '8T9iK0Gq8maSSfAya/gSuzbmDUM=';

export function capsElement(): Element {
  return xml('c', { xmlns: NS.caps, hash: 'sha-1', node: CAPS_NODE, ver: CAPS_VERSION });
}

export function discoInfo(node: string | undefined): Element {
  return xml(
    'query',
    { xmlns: NS.discoInfo, node },
    xml('identity', CAPS_IDENTITY),
    ...FEATURES.map((feature) => xml('feature', { var: feature })),
  );
}
