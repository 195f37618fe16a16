/* What browsers tell of a connection (getStats): whatever they like, so nothing is taken for granted. */

export type Report = Record<string, unknown>;

/** 0 for what is no number. */
export const num = (value: unknown): number => (typeof value === 'number' && Number.isFinite(value) ? value : 0);
