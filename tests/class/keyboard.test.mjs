// The client by keyboard alone, and drawn from right to left on a telephone and on a desk.
import { Participant, School, finish, test, until } from './harness.mjs';
import { joinOurs, lookOurs } from './join.mjs';

const school = new School('keyboard');

// Presses Tab (or another key) until the element is reached; a focus that cannot be seen is a fault.
async function reach(p, selector, key = 'Tab', most = 60) {
    for (let i = 0; i < most; i++) {
        const now = await p.eval(s => {
            const at = document.activeElement;
            if (!at || at === document.body)
                return { there: false, seen: true };
            const style = getComputedStyle(at);
            const box = at.getBoundingClientRect();
            const ring = (style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0) || style.boxShadow !== 'none'
                || (at.parentElement && getComputedStyle(at.parentElement).boxShadow !== 'none');
            const inside = box.width > 0 && box.height > 0 && box.bottom > 0 && box.right > 0 && box.top < innerHeight && box.left < innerWidth;
            return { there: at.matches(s), seen: ring && inside, what: at.outerHTML.slice(0, 120) };
        }, selector);
        if (!now.seen)
            throw new Error(`focus cannot be seen: ${now.what}`);
        if (now.there)
            return;
        await p.press(key);
    }
    throw new Error(`${selector} cannot be reached`);
}

// Nothing hangs over the edges of the window.
const overhang = p => p.eval(() => {
    const out = [];
    if (document.documentElement.scrollWidth > innerWidth)
        out.push(`page ${document.documentElement.scrollWidth} of ${innerWidth}`);
    for (const element of document.querySelectorAll('button, input, textarea, select, h1, h2, p')) {
        const box = element.getBoundingClientRect();
        if (box.width > 0 && box.height > 0 && !element.closest('.visually-hidden') && (box.left < -1 || box.right > innerWidth + 1)
            && getComputedStyle(element).visibility !== 'hidden')
            out.push(element.outerHTML.slice(0, 100));
    }
    return out;
});

try {
    await school.start();
    const links = school.people;
    const teacher = await Participant.start(school, 'chromium', 1, { fps: 8 });
    const pupil = await Participant.start(school, 'chromium', 2, { fps: 8 });

    await test('by keyboard into the class', school, async () => {
        await joinOurs(teacher, links[0]);
        await pupil.goto(links[1]);
        await pupil.until('device check', () => document.querySelector('[data-testid=join]')?.disabled === false);
        await reach(pupil, '[data-testid=join]');
        await pupil.press('Enter');
        pupil.endpoint = await pupil.until('in the class', () => document.querySelector('[data-testid=own-tile]')?.dataset.endpoint, 40);
        await until('heard', async () => (await teacher.eval(lookOurs)).tones.includes(2), 20);
    });
    await test('by keyboard: microphone, hand, chat, a menu', school, async () => {
        await reach(pupil, '[data-testid=microphone]');
        await pupil.press('Enter');
        await until('silence', async () => !(await teacher.eval(lookOurs)).tones.includes(2), 10);
        await pupil.press('Space');
        await until('heard again', async () => (await teacher.eval(lookOurs)).tones.includes(2), 10);
        await reach(pupil, '[data-testid=hand]');
        await pupil.press('Enter');
        await teacher.until('a hand', () => document.querySelector('.tile-hand') !== null, 10);
        await reach(pupil, '[data-testid=chat]');
        await pupil.press('Enter');
        await pupil.until('chat', () => document.querySelector('[data-testid=chat-input]') !== null, 5);
        await reach(pupil, '[data-testid=chat-input]');
        await pupil.ask('keys', { text: 'typed blind' });
        await pupil.press('Enter');
        await teacher.click('[data-testid=chat]');
        await teacher.until('message', () => document.querySelector('[data-testid=chat-list]')?.textContent.includes('typed blind'), 10);
        await reach(pupil, '[data-testid=more]');
        await pupil.press('Enter');
        await pupil.until('menu', () => document.activeElement?.getAttribute('role')?.startsWith('menuitem'), 5);
        await reach(pupil, '[data-testid=settings]', 'ArrowDown');
        await pupil.press('Enter');
        await pupil.until('dialog', () => document.querySelector('dialog[open], [role=dialog]')?.contains(document.activeElement), 5);
        await pupil.press('Escape');
        await pupil.until('closed', () => document.querySelector('dialog[open], [role=dialog]') === null, 5);
    });
    await test('no trap: Tab goes all the way round', school, async () => {
        const seen = new Set();
        for (let i = 0; i < 60; i++) {
            await pupil.press('Tab');
            seen.add(await pupil.eval(() => document.activeElement?.dataset?.testid ?? document.activeElement?.tagName));
        }
        for (const id of ['microphone', 'camera', 'hand', 'chat', 'people', 'more', 'leave', 'pin'])
            if (!seen.has(id))
                throw new Error(`${id} is not in the round: ${[...seen]}`);
    });
    await test('from right to left, on a telephone and on a desk', school, async () => {
        await pupil.press('Escape');
        await pupil.eval(() => document.querySelector('[data-testid=close-panel]')?.click());
        for (const p of [pupil, teacher]) {
            await p.size(360, 640);
            await p.click('[data-testid=more]');
            const out = await overhang(p);
            if (out.length)
                throw new Error(`menu: ${out.join('\n')}`);
            await p.click('[data-testid=settings]');
            await p.eval(() => {
                const select = document.querySelector('[data-testid=language]');
                const field = select.matches('select') ? select : select.querySelector('select');
                field.value = 'ar';
                field.dispatchEvent(new Event('change', { bubbles: true }));
            });
            await p.until('right to left', () => document.documentElement.dir === 'rtl', 5);
            await p.press('Escape');
        }
        await teacher.size(1280, 800);
        for (const [width, height, where] of [[360, 640, 'telephone'], [1280, 800, 'desk']]) {
            for (const panel of ['none', 'chat', 'people']) {
                await pupil.size(width, height);
                if (panel === 'people' && width < 640) {
                    await pupil.click('[data-testid=more]');
                    await pupil.screenshot(`rtl-${where}-menu`);
                    const out = await overhang(pupil);
                    if (out.length)
                        throw new Error(`menu: ${out.join('\n')}`);
                    await pupil.click('[data-testid=more-people]');
                } else if (panel !== 'none')
                    await pupil.click(`[data-testid=${panel}]`);
                await pupil.eval(() => new Promise(done => setTimeout(done, 400)));
                await pupil.screenshot(`rtl-${where}-${panel}`);
                const out = await overhang(pupil);
                if (out.length)
                    throw new Error(`${where} ${panel}: ${out.join('\n')}`);
                if (panel !== 'none')
                    await pupil.click('[data-testid=close-panel]');
            }
        }
        await teacher.screenshot('rtl-teacher');
    });
    await test('by keyboard out of the class', school, async () => {
        await reach(pupil, '[data-testid=leave]');
        await pupil.press('Enter');
        await pupil.until('outside', () => document.querySelector('[data-testid=after]') !== null, 10);
        await pupil.size(360, 640);
        await pupil.screenshot('rtl-telephone-after');
        await reach(pupil, '[data-testid=rejoin]');
        await pupil.press('Enter');
        await pupil.until('device check', () => document.querySelector('[data-testid=join]')?.disabled === false);
        await pupil.screenshot('rtl-telephone-check');
        const out = await overhang(pupil);
        if (out.length)
            throw new Error(out.join('\n'));
    });
} catch (error) {
    await test('keyboard', school, () => { throw error; });
} finally {
    await school.stop();
}
finish();
