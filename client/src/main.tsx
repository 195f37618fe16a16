import { render } from 'preact';
import { api, joinEarly, Me, signedOut } from './api';
import { loadLanguage, preferredLanguage } from './i18n';
import { App, preload } from './ui/app';
import './ui/style.css';

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

// Everything the first screen needs is asked for at once: words, code, who it is, and the ticket to the class.
const { me, entered } = arrive();
preload(location.pathname);
me.then(
  (value) => joinEarly(value.next ?? location.pathname),
  () => undefined,
);
const root = document.getElementById('app');
void loadLanguage(preferredLanguage())
  .catch(() => undefined)
  .then(() => {
    if (root) render(<App me={me} entered={entered} />, root);
  });
