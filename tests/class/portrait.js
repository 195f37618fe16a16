// Cameras for pictures of a class: a drawn person in a room, instead of the test pattern. Runs before media.js.
(() => {
    const PEOPLE = {
        1: { skin: '#8d5a3b', hair: '#1d1512', style: 'bun', shirt: '#2f6f6b', collar: '#f3efe6', room: 'board', glasses: true },
        2: { skin: '#a8714b', hair: '#2b3f73', style: 'scarf', shirt: '#7a4a7c', collar: '#7a4a7c', room: 'window' },
        3: { skin: '#6e4229', hair: '#120d0b', style: 'short', shirt: '#c9772e', collar: '#e9b46b', room: 'shelf' },
        4: { skin: '#e6b795', hair: '#5a3420', style: 'long', shirt: '#3f5f9c', collar: '#3f5f9c', room: 'plant' },
        5: { skin: '#7d4d30', hair: '#17100d', style: 'curls', shirt: '#5b8a3a', collar: '#dfe8d2', room: 'window' },
    };

    function box(c, x, y, w, h, r, color) {
        c.fillStyle = color;
        c.beginPath();
        c.roundRect(x, y, w, h, r);
        c.fill();
    }

    function oval(c, x, y, rx, ry, color, turn = 0) {
        c.fillStyle = color;
        c.beginPath();
        c.ellipse(x, y, rx, ry, turn, 0, 2 * Math.PI);
        c.fill();
    }

    const rooms = {
        board(c) {
            wall(c, '#e9e2d3', '#cfc4ae');
            box(c, 90, 70, 1100, 430, 14, '#8a6a45');
            box(c, 108, 88, 1064, 394, 6, '#23463c');
            c.strokeStyle = '#e8eee9';
            c.fillStyle = '#e8eee9';
            c.lineWidth = 5;
            c.font = '54px serif';
            c.fillText('a² + b² = c²', 150, 190);
            c.beginPath();
            c.moveTo(940, 400); c.lineTo(1120, 400); c.lineTo(940, 250); c.closePath();
            c.stroke();
        },
        window(c) {
            wall(c, '#dfe6ea', '#b9c6cf');
            box(c, 780, 60, 400, 420, 10, '#f7f7f4');
            const sky = c.createLinearGradient(0, 70, 0, 470);
            sky.addColorStop(0, '#8fc4ea');
            sky.addColorStop(1, '#dff0f6');
            box(c, 800, 80, 360, 380, 4, sky);
            oval(c, 880, 470, 160, 70, '#7fa56b');
            oval(c, 1080, 480, 150, 90, '#6b9460');
            box(c, 972, 80, 16, 380, 0, '#f7f7f4');
            box(c, 800, 262, 360, 16, 0, '#f7f7f4');
            box(c, 110, 150, 210, 270, 6, '#c8a26a');
            box(c, 124, 164, 182, 242, 2, '#f2e6cc');
            oval(c, 215, 270, 56, 56, '#d9785a');
        },
        shelf(c) {
            wall(c, '#efe4d6', '#d3bfa6');
            const colors = ['#b5523b', '#31677a', '#d8a441', '#5c7c4a', '#7b5a86', '#c9c2b4'];
            for (let row = 0; row < 3; row++) {
                box(c, 60, 190 + row * 180, 1160, 18, 3, '#8b6846');
                for (let i = 0, x = 80; x < 1180; i++) {
                    const w = 26 + (i * 37 + row * 11) % 30, h = 100 + (i * 53 + row * 29) % 55;
                    if ((i + row) % 7 !== 5)
                        box(c, x, 190 + row * 180 - h, w, h, 3, colors[(i * 5 + row) % colors.length]);
                    x += w + 5;
                }
            }
        },
        plant(c) {
            wall(c, '#f1ddd0', '#d9b9a8');
            box(c, 940, 470, 150, 250, 18, '#b7683f');
            for (let i = 0; i < 9; i++)
                oval(c, 1015 + Math.sin(i * 2.1) * 110, 340 + (i % 3) * 50, 34, 120, i % 2 ? '#4d7f4e' : '#66995b', (i - 4) * 0.32);
            oval(c, 240, 210, 120, 120, '#f7ecd7');
            c.strokeStyle = '#5a4a3f';
            c.lineWidth = 8;
            c.beginPath();
            c.moveTo(240, 130); c.lineTo(240, 210); c.lineTo(300, 240);
            c.stroke();
        },
    };

    function wall(c, light, dark) {
        const g = c.createLinearGradient(0, 0, 1280, 720);
        g.addColorStop(0, light);
        g.addColorStop(1, dark);
        c.fillStyle = g;
        c.fillRect(0, 0, 1280, 720);
    }

    // Drawn once, a little out of focus, darker towards the corners.
    const drawn = {};
    function behind(room) {
        if (drawn[room])
            return drawn[room];
        const [sharp, soft] = [0, 1].map(() => Object.assign(document.createElement('canvas'), { width: 1280, height: 720 }));
        rooms[room](sharp.getContext('2d'));
        const c = soft.getContext('2d');
        c.filter = 'blur(5px)';
        c.drawImage(sharp, 0, 0);
        c.filter = 'none';
        const shade = c.createRadialGradient(640, 330, 300, 640, 360, 820);
        shade.addColorStop(0, 'rgba(0,0,0,0)');
        shade.addColorStop(1, 'rgba(0,0,0,0.28)');
        c.fillStyle = shade;
        c.fillRect(0, 0, 1280, 720);
        return drawn[room] = soft;
    }

    function hairBehind(c, p) {
        if (p.style === 'long')
            box(c, 478, 190, 324, 430, 130, p.hair);
        if (p.style === 'scarf')
            box(c, 472, 150, 336, 470, 150, p.hair);
        if (p.style === 'curls')
            for (let i = 0; i < 14; i++)
                oval(c, 640 + 165 * Math.cos(i / 14 * 6.283), 300 + 165 * Math.sin(i / 14 * 6.283) * 0.95 - 20, 62, 62, p.hair);
        if (p.style === 'bun')
            oval(c, 640, 118, 78, 70, p.hair);
    }

    function hairBefore(c, p) {
        c.save();
        c.beginPath();
        if (p.style === 'scarf') {
            c.rect(440, 100, 400, 520);
            c.moveTo(762, 345);
            c.ellipse(640, 345, 122, 165, 0, 0, 6.3, true);
            c.clip('evenodd');
            box(c, 484, 150, 312, 460, 150, p.hair);
            oval(c, 640, 330, 146, 190, '#38508c');
        } else {
            c.ellipse(640, 330, 150, 195, 0, 0, 6.3);
            c.clip();
            const low = p.style === 'short' ? 212 : 235;
            oval(c, 640, 130, 190, low - 112, p.hair);
            if (p.style === 'long') {
                oval(c, 500, 300, 52, 190, p.hair);
                oval(c, 780, 300, 52, 190, p.hair);
            }
        }
        c.restore();
    }

    function face(c, p, t) {
        const blink = t % 4100 < 130 ? 0.12 : 1;
        const dark = 'rgba(30, 15, 8, 0.85)';
        for (const x of p.style === 'scarf' ? [] : [492, 788])
            oval(c, x, 345, 24, 40, p.skin);
        oval(c, 640, 330, 148, 193, p.skin);
        oval(c, 560, 400, 38, 26, 'rgba(214, 92, 70, 0.16)');
        oval(c, 720, 400, 38, 26, 'rgba(214, 92, 70, 0.16)');
        hairBefore(c, p);
        for (const x of [578, 702]) {
            oval(c, x, 335, 27, 18 * blink, '#fbf8f3');
            oval(c, x + 3 * Math.sin(t / 1700), 335, 13, 15 * blink, '#2a1a12');
            oval(c, x + 5, 330, 4, 4 * blink, '#fff');
            c.strokeStyle = p.style === 'scarf' ? dark : p.hair;
            c.lineWidth = 9;
            c.lineCap = 'round';
            c.beginPath();
            c.arc(x, 342, 48, -2.1, -1.05);
            c.stroke();
            if (p.glasses) {
                c.strokeStyle = '#3a2c22';
                c.lineWidth = 6;
                c.beginPath();
                c.roundRect(x - 46, 300, 92, 70, 26);
                c.stroke();
            }
        }
        if (p.glasses) {
            c.beginPath();
            c.moveTo(624, 325); c.lineTo(656, 325);
            c.stroke();
        }
        c.strokeStyle = 'rgba(40, 18, 10, 0.35)';
        c.lineWidth = 6;
        c.beginPath();
        c.moveTo(642, 350); c.quadraticCurveTo(660, 402, 630, 404);
        c.stroke();
        const open = p.speaks ? 8 + 10 * Math.abs(Math.sin(t / 140)) : 0;
        c.fillStyle = '#7c2f2a';
        c.beginPath();
        c.moveTo(590, 440); c.quadraticCurveTo(640, 478 + open, 690, 440); c.quadraticCurveTo(640, 456, 590, 440);
        c.fill();
        c.strokeStyle = '#6a2a24';
        c.lineWidth = 5;
        c.stroke();
    }

    window.__portrait = (c, number, t) => {
        const p = PEOPLE[number];
        if (!p)
            return false;
        c.drawImage(behind(p.room), 0, 0);
        c.save();
        c.translate(8 * Math.sin(t / 1300 + number), 4 * Math.sin(t / 900 + number) + 30);
        hairBehind(c, p);
        box(c, 300, 565, 680, 400, 190, p.shirt);
        box(c, 585, 470, 110, 150, 40, p.skin);
        oval(c, 640, 520, 62, 36, 'rgba(30, 12, 4, 0.22)');
        c.fillStyle = p.collar;
        c.beginPath();
        c.moveTo(560, 566); c.lineTo(640, 650); c.lineTo(720, 566); c.lineTo(756, 590); c.lineTo(640, 720); c.lineTo(524, 590);
        c.closePath();
        c.fill();
        if (p.style === 'scarf')
            box(c, 500, 520, 280, 130, 60, p.hair);
        face(c, p, t);
        c.restore();
        return true;
    };

    // A page of a lesson, as shared from a screen.
    window.__slide = c => {
        c.fillStyle = '#fdfcf8';
        c.fillRect(0, 0, 1280, 720);
        box(c, 0, 0, 1280, 96, 0, '#1f5f5b');
        c.fillStyle = '#fff';
        c.font = 'bold 46px sans-serif';
        c.fillText('The theorem of Pythagoras', 56, 64);
        c.fillStyle = '#22302e';
        c.font = '34px sans-serif';
        ['In a right-angled triangle the square', 'on the longest side equals the sum', 'of the squares on the other two.'].forEach((line, i) =>
            c.fillText(line, 56, 190 + i * 52));
        c.font = 'italic 64px serif';
        c.fillText('a² + b² = c²', 120, 470);
        c.font = '30px sans-serif';
        c.fillStyle = '#8a3b2a';
        c.fillText('Example: 3² + 4² = 9 + 16 = 25 = 5²', 56, 600);
        c.translate(860, 300);
        box(c, 0, 160, 160, 160, 0, '#f2c14e');
        box(c, -120, 40, 120, 120, 0, '#7fb069');
        c.save();
        c.translate(0, 40);
        c.rotate(Math.atan2(120, 160));
        box(c, 0, -200, 200, 200, 0, '#d36135');
        c.restore();
        c.fillStyle = '#fff';
        c.font = 'bold 40px serif';
        c.fillText('b²', 60, 256);
        c.fillText('a²', -80, 116);
        c.fillText('c²', 120, 50);
        c.setTransform(1, 0, 0, 1, 0, 0);
        return true;
    };
})();
