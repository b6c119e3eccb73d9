// sharp as a function on Node would call it: options have sharp's defaults unless a request sets them.
// Reads a JSON object per line from standard input, writes one with the time to standard output.
import { readFileSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import sharp from 'sharp';

sharp.cache(false); // no cache: each call decodes again
if (process.env.VIPS_CONCURRENCY) sharp.concurrency(Number(process.env.VIPS_CONCURRENCY));

for await (const line of createInterface({ input: process.stdin })) {
  const { source, result, width, format, quality, effort } = JSON.parse(line);
  const data = readFileSync(source);
  const options = { ...(quality && { quality }), ...(effort && { effort }) };
  const cpu = process.cpuUsage();
  const start = process.hrtime.bigint();
  const image = await sharp(data).autoOrient().resize({ width }).toFormat(format, options).toBuffer();
  const ms = Number(process.hrtime.bigint() - start) / 1e6;
  const { user, system } = process.cpuUsage(cpu);
  writeFileSync(result, image);
  console.log(JSON.stringify({ ms, cpu_ms: (user + system) / 1000 }));
}
