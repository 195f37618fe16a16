/* The first script of the page, small, so that it runs while the rest is still on its way: asks who is here, for the
 * ticket to the class and for the words, and opens the socket that the ticket is good for. */
import { api, joinEarly, Me, signedOut, socketUrl } from './api';
import { openEarly } from './signalling/early-socket';
import { LOADERS, preferredLanguage } from './words';

/** Who is here: by the one-time code of a link, by the session, or nobody knows yet. */
function arrive(): { me: Promise<Me>; entered: boolean } {
  const { pathname, hash } = location;
  if (pathname.startsWith('/guest/')) return { me: Promise.reject(signedOut()), entered: false };
  if (pathname !== '/enter') return { me: api.me(), entered: false };
  if (hash.length < 2) return { me: Promise.reject(signedOut()), entered: true };
  const code = decodeURIComponent(hash.slice(1));
  // The code works once and must not stay in the history.
  history.replaceState(null, '', '/enter');
  return { me: api.enter(code), entered: true };
}

export const { me, entered } = arrive();
// Fetched beside the rest, not after it; who shows the words asks again.
LOADERS[preferredLanguage()]().catch(() => undefined);
me.then((value) => joinEarly(value, location.pathname))
  .then((ticket) => {
    if (ticket) openEarly(socketUrl(ticket));
  })
  // Whoever needs the answer asks for it and is told.
  .catch(() => undefined);
