/* Addresses of pages; moving between them loads nothing anew. */
import { Store } from './store';

export const path = new Store(location.pathname);

addEventListener('popstate', () => path.set(location.pathname));

export function navigate(to: string, replace = false): void {
  // Only ever within this site: `next` of the API and links in pages come through here.
  const target = new URL(to, location.origin);
  if (target.origin !== location.origin) return;
  if (replace) history.replaceState(null, '', target.pathname + target.search);
  else history.pushState(null, '', target.pathname + target.search);
  scrollTo(0, 0);
  path.set(target.pathname);
}
