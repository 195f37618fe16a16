/* A socket opened before the stream is there that will speak on it: saves the round trips of its handshake. */
import type { Socket } from './stream';

let early: { url: string; socket: WebSocket } | null = null;

export function openEarly(url: string): void {
  early = { url, socket: new WebSocket(url, ['xmpp']) };
}

/** The socket opened early for this address if it is still good, else a new one. */
export function takeSocket(url: string, protocols: string[]): Socket {
  const found = early?.url === url ? early.socket : null;
  early = null;
  if (!found || found.readyState > WebSocket.OPEN) return new WebSocket(url, protocols) as unknown as Socket;
  const socket = found as unknown as Socket;
  // Its opening has been missed; whoever took it hears of it as if it came now.
  if (found.readyState === WebSocket.OPEN) queueMicrotask(() => socket.onopen?.(undefined as never));
  return socket;
}
