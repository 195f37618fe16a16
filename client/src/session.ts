import type { Me } from './api';
import { Store } from './store';

/** Who is signed in here; null: nobody. */
export const session = new Store<Me | null>(null);
