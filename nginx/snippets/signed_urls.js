// Verifies signed URLs: docs/decisions/0042-signed-urls.md has the rules, tests/vectors/signed_urls.json examples.
import crypto from 'crypto';
import fs from 'fs';

// In this order and nothing else, so that no parameter is doubled, added or spelled in another way. The last character of
// 32 bytes in base64url is one of sixteen.
const QUERY = /^e=([1-9][0-9]{9})&k=([A-Za-z0-9_-]{1,32})(?:&p=([1-9][0-9]?))?&s=([A-Za-z0-9_-]{42}[AEIMQUYcgkosw048])$/;
const SECRET = /^[!-~]{32,256}$/;

// Reads the file for each request: a new key in it is valid, and a removed one is not, without a reload.
function secret(file, id) {
    const text = '\n' + fs.readFileSync(file, 'utf8');
    const line = text.indexOf('\n' + id + ':');
    if (line < 0) {
        return '';
    }
    const end = text.indexOf('\n', line + 1);
    const found = text.slice(line + id.length + 2, end < 0 ? text.length : end);
    return SECRET.test(found) ? found : '';
}

// The key of the object without a preview's variant: one signature is for all formats and densities of a preset.
function subject(r) {
    const segments = r.variables.uri.slice(1).split('/');
    if (segments[0] === r.variables.prew_preview_segment) {
        segments[1] = segments[1].replace(/[@.-].*$/, '');
    }
    return segments;
}

// What is signed: a key, or the first segments of keys, with a slash at the end.
function signed(segments, count) {
    if (count === undefined) {
        return 'key\n' + segments.join('/');
    }
    return Number(count) < segments.length ? 'prefix\n' + segments.slice(0, Number(count)).join('/') + '/' : '';
}

// Looks at all of both, so that the time tells nothing about where they begin to differ.
function equal(digest, other) {
    let different = 0;
    for (let i = 0; i < 32; i += 4) {
        different |= digest.readInt32BE(i) ^ other.readInt32BE(i);
    }
    return different === 0;
}

// Returns how many seconds the request's signature is still valid, or 0.
function secondsLeft(r) {
    const found = QUERY.exec(r.variables.args || '');
    if (!found) {
        return '0';
    }
    const left = Number(found[1]) - Math.floor(Date.now() / 1000);
    const what = signed(subject(r), found[3]);
    const key = left > 0 && what ? secret(r.variables.prew_signing_keys_file, found[2]) : '';
    if (!key) {
        return '0';
    }
    // The same key is another object in each source; the main one has no name.
    const source = r.variables.prew_signed_source;
    const domain = source ? 'prewmanager ' + source : 'prewmanager';
    const text = [domain, found[1], found[2], what].join('\n');
    const expected = crypto.createHmac('sha256', key).update(text).digest();
    return equal(expected, Buffer.from(found[4], 'base64url')) ? String(left) : '0';
}

export default {secondsLeft};
