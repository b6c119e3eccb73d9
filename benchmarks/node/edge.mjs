// The edge resizer as it is commonly written for Node: an origin-response handler with fetch and sharp's defaults.
// Reads an event per line from standard input, writes one with the times to standard output.
import { createInterface } from 'node:readline';
import sharp from 'sharp';

sharp.cache(false); // no cache: each event decodes again
const now = () => Number(process.hrtime.bigint()) / 1e6;

async function handler(event, times) {
  const { request, response } = event.Records[0].cf;
  const query = new URLSearchParams(request.querystring);
  const width = Number(query.get('w') ?? 1200);
  const height = Number(query.get('h') ?? 627);
  const start = now();
  const url = query.get('s').replace('photos.localhost', '127.0.0.1'); // not every resolver knows the name
  const fetched = Buffer.from(await (await fetch(url)).arrayBuffer());
  const read = now();
  const image = await sharp(fetched).resize(width, height, { fit: 'contain', background: '#ffffff' }).toBuffer();
  Object.assign(times, { fetch: read - start, render: now() - read });
  response.status = '200';
  response.body = image.toString('base64');
  response.bodyEncoding = 'base64';
  response.headers['cache-control'] = [{ key: 'Cache-Control', value: 'max-age=31536000' }];
  return response;
}

for await (const line of createInterface({ input: process.stdin })) {
  const times = {};
  const start = now();
  const answer = JSON.stringify(await handler(JSON.parse(line), times));
  console.log(JSON.stringify({ ...times, total: now() - start, bytes: answer.length }));
}
