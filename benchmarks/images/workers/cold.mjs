// A resize function on Node: renders one preview from S3 to S3 with sharp and AWS's client, then exits.
import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import sharp from 'sharp';

const { src_bucket: Bucket, src_key, dst_key, width } = JSON.parse(process.argv[2]);
const client = new S3Client({ endpoint: process.env.AWS_ENDPOINT_URL_S3, forcePathStyle: true });
const object = await client.send(new GetObjectCommand({ Bucket, Key: src_key }));
const image = await sharp(await object.Body.transformToByteArray())
  .autoOrient()
  .resize({ width })
  .jpeg({ quality: 80 })
  .toBuffer();
await client.send(new PutObjectCommand({ Bucket, Key: dst_key, Body: image, ContentType: 'image/jpeg' }));
process.stdout.write('written\n');
