/* What a measurement changes on this device. */
import { chooseProfile, chosen, least, Profile } from '../media/profile';

const PICKED = 'darasa-profile-picked';

/** What somebody chose by hand is not raised; what a measurement before chose gives way to this one. */
export function adopted(found: Profile | null, now: Profile | null, picked: string | null): Profile | null {
  const byHand = now !== null && now !== picked;
  if (!byHand) return found;
  return found === null ? now : least(found, now);
}

export function adopt(found: Profile | null): Profile | null {
  let picked: string | null = null;
  try {
    picked = localStorage.getItem(PICKED);
  } catch {
    // Then what holds was chosen by hand, for all we know.
  }
  const now = chosen.value;
  const next = adopted(found, now, picked);
  if (next === now) return next;
  chooseProfile(next);
  try {
    localStorage.setItem(PICKED, next ?? '');
  } catch {
    // The next measurement will not raise it by itself.
  }
  return next;
}
