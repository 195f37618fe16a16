import { render } from 'preact';
import { entered, me } from './early';
import { loadLanguage } from './i18n';
import { App, preload } from './ui/app';
import { preferredLanguage } from './words';
import './ui/style.css';

preload(location.pathname);
const root = document.getElementById('app');
void loadLanguage(preferredLanguage())
  .catch(() => undefined)
  .then(() => {
    if (root) render(<App me={me} entered={entered} />, root);
  });
