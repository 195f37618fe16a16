import { render } from 'preact';
import { api, signedOut } from './api';
import { loadLanguage, preferredLanguage } from './i18n';
import { App, preload } from './ui/app';
import './ui/style.css';

// Everything the first screen needs is asked for at once: words, code and who is signed in.
const me = /^\/(enter|guest\/)/.test(location.pathname) ? Promise.reject(signedOut()) : api.me();
me.catch(() => undefined);
preload(location.pathname);
const root = document.getElementById('app');
void loadLanguage(preferredLanguage())
  .catch(() => undefined)
  .then(() => {
    if (root) render(<App me={me} />, root);
  });
