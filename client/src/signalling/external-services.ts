/* Relays the server knows (XEP-0215). Towards the bridge only TURN is of use. */
import type { XmppStream } from './stream';
import { elements, first, xml } from './xml';

const NS_SERVICES = 'urn:xmpp:extdisco:2';

export interface IceServer {
  urls: string;
  username?: string;
  credential?: string;
}

export async function iceServers(stream: Pick<XmppStream, 'request'>, domain: string): Promise<IceServer[]> {
  try {
    const answer = await stream.request(
      xml('iq', { type: 'get', to: domain }, xml('services', { xmlns: NS_SERVICES })),
      30_000,
    );
    const services = first(answer, 'services');
    return (services ? elements(services, 'service') : []).flatMap(({ attrs }) => {
      const { type, host, port, transport, username, password } = attrs;
      if ((type !== 'turn' && type !== 'turns') || !host || !username || !password) return [];
      const urls = `${type}:${host}${port ? `:${port}` : ''}${transport ? `?transport=${transport}` : ''}`;
      return [{ urls, username, credential: password }];
    });
  } catch {
    return [];
  }
}
