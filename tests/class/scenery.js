// Before the page: a camera whose pictures need the bits that its layers may take: coarse noise that moves, and shapes on it.
(() => {
    const TILE = 640, CELL = 8, SHAPES = 24;
    let noise;
    window.__portrait = (ctx, number, time) => {
        if (!noise) {
            noise = document.createElement('canvas');
            noise.width = noise.height = TILE;
            const pen = noise.getContext('2d');
            for (let x = 0; x < TILE; x += CELL)
                for (let y = 0; y < TILE; y += CELL) {
                    pen.fillStyle = `hsl(${(number * 67) % 360} 30% ${44 + Math.random() * 8}%)`;
                    pen.fillRect(x, y, CELL, CELL);
                }
        }
        const { width, height } = ctx.canvas, at = time / 40;
        for (let x = -(at % TILE); x < width; x += TILE)
            for (let y = -((at / 2) % TILE); y < height; y += TILE)
                ctx.drawImage(noise, Math.floor(x), Math.floor(y));
        for (let i = 0; i < SHAPES; i++) {
            ctx.fillStyle = `hsl(${i * 360 / SHAPES} 70% 55%)`;
            ctx.fillRect((time / (6 + i % 5) + i * 211) % width, (time / (9 + i % 7) + i * 97) % height, 70, 50);
        }
        return true;
    };
})();
