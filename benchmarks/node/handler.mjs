// A preview's handler as one writes it on Node with sharp and AWS's client: it gets the photo, resizes it and answers.
// With --stores it puts the preview into the bucket before it answers, as AWS's sample for image optimization does.
// Every request of GET /prew/<preset>/<key> is a resize; anything else is the question whether it is alive.
import { createServer } from 'node:http';
import { parseArgs } from 'node:util';
import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import sharp from 'sharp';

const { values } = parseArgs({
  options: {
    port: { type: 'string' },
    bucket: { type: 'string' },
    width: { type: 'string' },
    quality: { type: 'string' },
    stores: { type: 'boolean', default: false },
  },
});
const Bucket = values.bucket;
const width = Number(values.width);
// Pinned to what the resize function does: a baseline JPEG, colour at half resolution, Huffman's standard tables.
const jpeg = { quality: Number(values.quality), progressive: false, chromaSubsampling: '4:2:0', optimiseCoding: false };
const client = new S3Client({ endpoint: process.env.AWS_ENDPOINT_URL_S3, forcePathStyle: true });
sharp.cache(false); // every photo is a new one
sharp.concurrency(1);

async function preview(key) {
  const photo = await client.send(new GetObjectCommand({ Bucket, Key: key.replace(/^prew\/[^/]+/, 'photo') }));
  const image = sharp(await photo.Body.transformToByteArray()).autoOrient().resize({ width, kernel: 'lanczos3' });
  const bytes = await image.jpeg(jpeg).toBuffer();
  if (values.stores) await client.send(new PutObjectCommand({ Bucket, Key: key, Body: bytes, ContentType: 'image/jpeg' }));
  return bytes;
}

async function answer(request, response) {
  if (request.method !== 'GET') return response.end();
  const bytes = await preview(decodeURIComponent(request.url.slice(1)));
  response.writeHead(200, { 'Content-Type': 'image/jpeg', 'Content-Length': bytes.length, 'X-Preview': 'made' });
  return response.end(bytes);
}

createServer((request, response) => {
  answer(request, response).catch((error) => response.writeHead(500).end(String(error)));
}).listen(Number(values.port), '127.0.0.1');
