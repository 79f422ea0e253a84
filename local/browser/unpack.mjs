// Unpacks the browser that npm's package holds compressed: node unpack.mjs <folder of node_modules>

import { execFileSync } from "node:child_process";
import { chmodSync, createReadStream, createWriteStream, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { createBrotliDecompress } from "node:zlib";

const folder = process.argv[2];
const packed = join(folder, "node_modules/@sparticuz/chromium/bin");
const tars = ["al2023.tar", "fonts.tar", "swiftshader.tar"];

for (const name of ["chromium", ...tars]) {
  const from = createReadStream(join(packed, `${name}.br`));
  await pipeline(from, createBrotliDecompress(), createWriteStream(join(folder, name)));
}
for (const name of tars) {
  execFileSync("tar", ["-xf", name], { cwd: folder });
  rmSync(join(folder, name));
}
chmodSync(join(folder, "chromium"), 0o755);
writeFileSync(
  join(folder, "fonts.conf"),
  `<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>/usr/share/fonts</dir><dir prefix="relative">fonts</dir><cachedir prefix="relative">cache</cachedir></fontconfig>
`,
);
rmSync(join(folder, "node_modules"), { recursive: true });
