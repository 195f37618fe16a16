/* The first script after the page's own, small, so that it runs while the rest is still on its way: takes the answer to what
 * the page asked (index.html), asks for the ticket to the class and for the words, and opens the socket that the ticket is good for. */
import { api, joinEarly, Me, signedOut, socketUrl } from './api';
import { openEarly } from './signalling/early-socket';
import { LOADERS, preferredLanguage } from './words';

declare global {
  interface Window {
    /** The answer of /api/enter to the code of a link, or of /api/me; none where strangers come in. */
    arriving?: Promise<Response>;
  }
}

/** Came by a link of one's own. */
export const entered = location.pathname === '/enter';
/** Who is here. */
export const me: Promise<Me> = window.arriving ? api.arrived(window.arriving) : Promise.reject(signedOut());
// Fetched beside the rest, not after it; who shows the words asks again.
LOADERS[preferredLanguage()]().catch(() => undefined);
me.then((value) => joinEarly(value, location.pathname))
  .then((ticket) => {
    if (ticket) openEarly(socketUrl(ticket));
  })
  // Whoever needs the answer asks for it and is told.
  .catch(() => undefined);
