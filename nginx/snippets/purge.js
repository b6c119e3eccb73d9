// Deletes copies from this nginx's cache, which nginx itself has no directive for.
//
// A file is named by the MD5 of its cache key and contains the key: the object's decoded path, after the bucket's. nginx takes a
// deleted file for a miss. It holds the files of hits open for a second, and reads their header for each hit: with a
// version in it that nginx does not know, the first eight bytes, a file is a miss as well.
import crypto from 'crypto';
import fs from 'fs';

const FILE = /^[0-9a-f]{32}$/;
const MOST_BYTES = 4096; // nginx's own header has some 350, a key 1,024
const BUCKET = /^[A-Za-z0-9._-]{1,255}$/;
const KEY = '\nKEY: ';

function remove(path) {
    let file;
    try {
        file = fs.openSync(path, 'r+');
    } catch (e) {
        return 0; // there is no copy
    }
    try {
        fs.writeSync(file, Buffer.alloc(8), 0, 8, 0);
    } finally {
        fs.closeSync(file);
    }
    try {
        fs.unlinkSync(path);
    } catch (e) {
        return 0; // nginx was faster
    }
    return 1;
}

// levels=1:2
function place(folder, key) {
    const name = crypto.createHash('md5').update(key).digest('hex');
    return [folder, name.slice(-1), name.slice(-3, -1), name].join('/');
}

function storedKey(path) {
    const buffer = Buffer.alloc(MOST_BYTES);
    let count = 0;
    try {
        const file = fs.openSync(path, 'r');
        count = fs.readSync(file, buffer, 0, MOST_BYTES, 0);
        fs.closeSync(file);
    } catch (e) {
        return '';
    }
    const start = buffer.indexOf(KEY);
    const end = start < 0 ? -1 : buffer.indexOf('\n', start + KEY.length);
    return end < 0 || end > count ? '' : buffer.slice(start + KEY.length, end).toString();
}

function names(folder) {
    try {
        return fs.readdirSync(folder);
    } catch (e) {
        return []; // nginx makes folders as it needs them
    }
}

function pause() {
    return new Promise((resolve) => setTimeout(resolve, 0));
}

// One folder at a time: in between this worker answers requests.
async function removeBeginning(folder, starts) {
    let count = 0;
    const outer = names(folder);
    for (let i = 0; i < outer.length; i++) {
        const inner = names([folder, outer[i]].join('/'));
        for (let j = 0; j < inner.length; j++) {
            const place = [folder, outer[i], inner[j]].join('/');
            const files = names(place).filter((each) => FILE.test(each));
            for (let k = 0; k < files.length; k++) {
                const path = [place, files[k]].join('/');
                const key = storedKey(path);
                if (starts.some((start) => key.startsWith(start))) {
                    count += remove(path);
                }
            }
            await pause();
        }
    }
    return count;
}

function isList(value) {
    return Array.isArray(value) && value.every((each) => typeof each === 'string');
}

function asked(r) {
    try {
        const found = JSON.parse(r.requestText);
        const bucket = found.bucket === undefined || BUCKET.test(found.bucket);
        return isList(found.keys) && isList(found.starts) && bucket ? found : null;
    } catch (e) {
        return null;
    }
}

// A browser sends no other site's page's JSON without asking first, and is refused; it would send a form or plain text.
function isJson(r) {
    return /^application\/json(;|$)/i.test(r.headersIn['Content-Type'] || '');
}

async function purge(r) {
    const body = r.method === 'POST' && isJson(r) ? asked(r) : null;
    if (body === null) {
        r.return(400, 'POST {"keys": […], "starts": […]} as application/json\n');
        return;
    }
    const folder = r.variables.prew_cache_folder;
    // That of a further source, or the main one's.
    const bucketPath = body.bucket ? '/' + body.bucket : r.variables.prew_cache_bucket_path;
    const key = (each) => bucketPath + '/' + each;
    let count = 0;
    body.keys.forEach((each) => {
        count += remove(place(folder, key(each)));
    });
    if (body.starts.length) {
        count += await removeBeginning(folder, body.starts.map(key));
    }
    r.headersOut['Content-Type'] = 'application/json';
    r.return(200, JSON.stringify({purged: count}) + '\n');
}

export default {purge};
