// Our player, as somebody uses it who looks at a recording.
import { HOST } from './harness.mjs';

export const player = {
    open: (p, id) => p.goto(`https://${HOST}/recordings/${id}`),
    ready: (p, seconds) => p.until('the player', () => document.querySelector('[data-testid=player]') !== null, seconds),
    seek: (p, time) => p.eval(time => {
        const bar = document.querySelector('[data-testid=seek]');
        bar.value = String(time);
        bar.dispatchEvent(new Event('input', { bubbles: true }));
    }, time),
    choose: (p, what, value) => p.eval((what, value) => {
        const box = document.querySelector(`[data-testid=${what}]`);
        const select = box.tagName === 'SELECT' ? box : box.querySelector('select');
        select.value = value;
        select.dispatchEvent(new Event('change', { bubbles: true }));
    }, what, value),
    play: async (p, on) => {
        if (await p.eval(() => document.querySelector('[data-testid=player]').dataset.playing) !== String(on))
            await p.click('[data-testid=play]');
    },
    time: p => p.eval(() => Number(document.querySelector('[data-testid=player]').dataset.time)),
    numbers: p => p.eval(() => [...document.querySelectorAll('[data-testid=picture]')].map(box =>
        window.__media.readVideo(box.querySelector('video'))?.number ?? null)),
    tones: p => p.eval(() => [...new Set(window.__media.playedAudio().flatMap(t => window.__media.readAudio(t).map(f => f.number)))].sort()),
};

export const same = (a, b) => JSON.stringify([...a].sort((x, y) => x - y)) === JSON.stringify([...b].sort((x, y) => x - y));
