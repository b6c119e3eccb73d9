// Signs one GET or HEAD to S3 with AWS's signature version 4
// (docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html).
import crypto from 'crypto';
import fs from 'fs';

const EMPTY_BODY = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

function hmac(key, text) {
    return crypto.createHmac('sha256', key).update(text);
}

// S3 verifies the path in its own encoding, not the client's: every byte except these, with capital letters.
function canonicalPath(path) {
    return path.replace(/%[0-9A-Fa-f]{2}|[^A-Za-z0-9._~\/-]/g, function (part) {
        const code = part.length === 3 ? parseInt(part.slice(1), 16) : part.charCodeAt(0);
        const char = String.fromCharCode(code);
        return /[A-Za-z0-9._~\/-]/.test(char) ? char : '%' + (code + 256).toString(16).slice(1).toUpperCase();
    });
}

// Reads the file for each request: new credentials in it take effect without a reload.
function sign(r) {
    const v = r.variables;
    const found = JSON.parse(fs.readFileSync(v.prew_credentials_file, 'utf8'));
    if (!found.AccessKeyId || !found.SecretAccessKey) {
        throw new Error('there are no credentials in ' + v.prew_credentials_file);
    }
    const token = found.SessionToken || found.Token || '';
    const date = new Date().toISOString().replace(/[:-]|\.\d{3}/g, '');
    const headers = [['host', v.prew_s3_host], ['x-amz-content-sha256', EMPTY_BODY], ['x-amz-date', date]];
    if (token) {
        headers.push(['x-amz-security-token', token]);
    }
    const names = headers.map((each) => each[0]).join(';');
    const lines = headers.map((each) => each.join(':') + '\n').join('');
    const request = [v.prew_s3_method, canonicalPath(v.prew_s3_path), '', lines, names, EMPTY_BODY].join('\n');
    const scope = [date.slice(0, 8), v.prew_s3_region, 's3', 'aws4_request'];
    const hash = crypto.createHash('sha256').update(request).digest('hex');
    const text = ['AWS4-HMAC-SHA256', date, scope.join('/'), hash].join('\n');
    const key = scope.reduce((before, part) => hmac(before, part).digest(), 'AWS4' + found.SecretAccessKey);
    const credential = found.AccessKeyId + '/' + scope.join('/');
    const parts = ['Credential=' + credential, 'SignedHeaders=' + names, 'Signature=' + hmac(key, text).digest('hex')];
    return {date: date, token: token, authorization: 'AWS4-HMAC-SHA256 ' + parts.join(', ')};
}

function signed(r) {
    if (!r.variables.prew_s3_signed) {
        r.variables.prew_s3_signed = JSON.stringify(sign(r));
    }
    return JSON.parse(r.variables.prew_s3_signed);
}

export default {
    authorization: (r) => signed(r).authorization,
    date: (r) => signed(r).date,
    token: (r) => signed(r).token,
};
