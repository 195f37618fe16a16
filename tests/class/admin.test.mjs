// The administrator's page: the school's name, people, a course, a class with its rights, and the log of it all.
import { HOST, Participant, School, finish, test, until } from './harness.mjs';

const PASSWORD = 'windy-hill-57-goats';
const school = new School('admin');
const text = (p, selector) => p.eval(s => [...document.querySelectorAll(s)].map(e => e.textContent), selector);
const page = async (p, path) => {
    await p.goto(`https://${HOST}${path}`);
    await p.until('its heading', () => document.querySelector('h1')?.textContent, 20);
};

async function setPassword(p) {
    await p.until('asked for a password', () => document.querySelector('[data-testid=new-password]') !== null);
    await p.type('[data-testid=new-password]', PASSWORD);
    await p.type('[data-testid=repeat-password]', PASSWORD);
    await p.click('[data-testid=save-password]');
    await p.until('signed in', () => document.querySelector('[data-testid=user-menu]') !== null);
}

// Chooses from a list, as somebody who uses the keyboard.
function choose(id, value) {
    const select = document.querySelector(`[data-testid=${id}]`);
    select.value = value;
    select.dispatchEvent(new Event('change', { bubbles: true }));
}

async function fill(p, fields) {
    for (const [id, value] of Object.entries(fields)) {
        await p.eval(id => document.querySelector(`[data-testid=${id}]`).select?.(), id);
        await p.type(`[data-testid=${id}]`, value);
    }
}

try {
    await school.start();
    const admin = await Participant.start(school, 'chromium', 1);
    const pupil = await Participant.start(school, 'firefox', 2);
    let invite;

    await test('admin: the first sign-in leads to the page, the school gets its name', school, async () => {
        await admin.goto(school.links.Administrator);
        await setPassword(admin);
        await page(admin, '/admin');
        await admin.click('[data-testid=organisation]');
        await fill(admin, { 'organisation-name': 'Hill School' });
        await admin.eval(choose, 'organisation-profile', 'light');
        await admin.eval(choose, 'organisation-codecs', 'h264 vp8');
        const labels = await admin.eval(() => [...document.querySelectorAll('[data-testid=organisation-codecs] option')].map(o => o.textContent));
        if (!['VP8:', 'H.264:', 'VP9:', 'AV1:'].every(name => labels.some(label => label.startsWith(name))))
            throw new Error(`codecs are called ${labels}`);
        await admin.screenshot('admin-organisation');
        await admin.click('[data-testid=organisation-save]');
        await admin.until('the new name', () => document.querySelector('.organisation')?.textContent === 'Hill School');
        const { organisation } = await admin.eval(async () => (await fetch('/api/me')).json());
        if (organisation.profile !== 'light' || organisation.codecs !== 'h264 vp8')
            throw new Error(JSON.stringify(organisation));
    });
    await test('admin: a new person signs in by the link, once', school, async () => {
        await admin.click('[data-testid=new-person]');
        await fill(admin, { 'person-name': 'Almaz Tesfaye', 'person-account': 'almaz' });
        await admin.click('[data-testid=person-save]');
        invite = await admin.until('a link', () => document.querySelector('[data-testid=copy-value]')?.value);
        await admin.press('Escape');
        await pupil.goto(invite);
        await setPassword(pupil);
        await pupil.click('[data-testid=user-menu]');
        await pupil.click('[data-testid=sign-out]');
        await pupil.until('signed out', () => document.querySelector('[data-testid=sign-in]') !== null);
        await pupil.goto(invite);
        await pupil.until('told that the link is used up', () => document.querySelector('[role=alert]')?.textContent, 20);
        await page(pupil, '/');
        await fill(pupil, { account: 'almaz', password: PASSWORD });
        await pupil.click('[data-testid=sign-in]');
        await pupil.until('signed in', () => document.querySelector('[data-testid=user-menu]') !== null);
        const offered = await pupil.eval(() => document.querySelector('[data-testid=nav-admin]') !== null);
        await page(pupil, '/admin');
        if (offered || (await text(pupil, '[data-testid=people-table]')).length > 0)
            throw new Error('a pupil sees the page of administrators');
    });
    await test('admin: a course brings its people to a class, whose rights hold', school, async () => {
        await admin.click('[data-testid=new-course]');
        await fill(admin, { 'course-title': 'Botany' });
        await admin.eval(() => [...document.querySelectorAll('.picker label')].find(l => l.textContent === 'Almaz Tesfaye').click());
        await admin.click('[data-testid=course-save]');
        await admin.until('the course', () => [...document.querySelectorAll('[data-testid=course]')].some(c => c.textContent.includes('Botany')));
        await page(admin, '/');
        await admin.click('[data-testid=new-class]');
        await fill(admin, { 'class-title': 'Roots and stems' });
        await admin.until('courses to choose from', () => document.querySelector('dialog select')?.options.length > 1);
        await admin.eval(() => {
            const select = document.querySelector('dialog select');
            select.value = [...select.options].find(o => o.textContent === 'Botany').value;
            select.dispatchEvent(new Event('change', { bubbles: true }));
        });
        await admin.click('[data-testid=may-private]');
        await admin.eval(choose, 'class-profile', 'voice');
        await admin.eval(choose, 'class-codecs', 'vp9 vp8');
        await admin.screenshot('admin-class');
        const before = await admin.eval(() => document.querySelector('[data-testid=may-private]').checked);
        await admin.click('[data-testid=class-save]');
        await until('the pupil has the class', async () => {
            await page(pupil, '/');
            return (await text(pupil, '[data-testid=class-card] h3')).includes('Roots and stems');
        });
        const { policy, profile, codecs } = await admin.eval(async () =>
            (await (await fetch('/api/classes')).json()).classes.find(c => c.title === 'Roots and stems'));
        if (profile !== 'voice' || codecs !== 'vp9 vp8')
            throw new Error(`other settings were stored: ${profile}, ${codecs}`);
        if (policy.pupils.private !== before || !policy.pupils.microphone)
            throw new Error(`another policy was stored: ${JSON.stringify(policy)}`);
    });
    await test('admin: the log tells who did what, by name', school, async () => {
        await page(admin, '/admin');
        await admin.until('the page', () => document.querySelector('[data-testid=audit-more]') !== null);
        await admin.click('[data-testid=audit-more]');
        const rows = await admin.until('the log', () => {
            const rows = [...document.querySelectorAll('[data-testid=audit] tbody tr')].map(row => [...row.children].slice(1).map(cell => cell.textContent).join(' '));
            return rows.length > 0 && rows;
        });
        for (const wanted of ['Administrator changed the school’s settings', 'Administrator added a person Almaz Tesfaye', 'Almaz Tesfaye set a password',
            'Administrator added a class Roots and stems'])
            if (!rows.some(row => row.startsWith(wanted)))
                throw new Error(`nothing says "${wanted}": ${rows.join('; ')}`);
        await admin.screenshot('admin-page');
        await admin.size(360, 740);
        await admin.screenshot('admin-page-narrow');
        const wide = await admin.eval(() => document.documentElement.scrollWidth > innerWidth &&
            [...document.querySelectorAll('.page *')].filter(e => e.getBoundingClientRect().right > innerWidth && !e.closest('.table-box')).map(e => e.outerHTML.slice(0, 120)));
        if (wide)
            throw new Error(`the page is wider than the window: ${wide.join('\n')}`);
    });
} finally {
    await school.stop();
}
finish();
