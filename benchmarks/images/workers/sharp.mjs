// sharp as a function on Node would call it, all options at its own defaults but those that a request names.
// A JSON object a line: from standard input what to make, to standard output how long it took.
import { readFileSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import sharp from 'sharp';

sharp.cache(false); // no two calls see the same bytes
if (process.env.VIPS_CONCURRENCY) sharp.concurrency(Number(process.env.VIPS_CONCURRENCY));

for await (const line of createInterface({ input: process.stdin })) {
  const { source, result, width, format, quality, effort } = JSON.parse(line);
  const data = readFileSync(source);
  const options = { ...(quality && { quality }), ...(effort && { effort }) };
  const start = process.hrtime.bigint();
  const image = await sharp(data).autoOrient().resize({ width }).toFormat(format, options).toBuffer();
  const ms = Number(process.hrtime.bigint() - start) / 1e6;
  writeFileSync(result, image);
  console.log(JSON.stringify({ ms }));
}
