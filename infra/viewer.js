// Viewer request of the edge resizer: gives one image, in one size, one cache key, whichever way its URL is written. The
// function that resizes, lambda_resize/edge, reads the same from both spellings; a test compares the two.
var NOT_PLAIN = /%(?![0-9A-Fa-f]{2})|[^A-Za-z0-9._~:\/?#@!$&'()*+,;=%-]/g;
var ESCAPE = /%([0-9A-Fa-f]{2})/g;
var ESCAPE_IN_PLAIN = /%(?!23|2[Bb])([0-9A-Fa-f]{2})/g; // an escaped # or + of a URL that is not encoded is of a name
var MOST = 7500; // CloudFront's limit is 8192 for the whole URL: a longer spelling would be refused

// Each character of the result is a byte.
function decoded(text, escapes) {
    return text.replace(escapes, function (_, digits) { return String.fromCharCode(parseInt(digits, 16)); });
}

function escaped(url) {
    var whole = url.replace(NOT_PLAIN, function (character) {
        return '%' + ('0' + character.charCodeAt(0).toString(16)).slice(-2);
    }).replace(/%[0-9A-Fa-f]{2}/g, function (escape) { return escape.toUpperCase(); }).split('#')[0];
    return whole.replace(/^[^:\/?#]*:\/\/[^\/?#]*/, function (host) { return host.toLowerCase(); });
}

// The URL as one percent-encoded value; what is no URL stays as it is, for the other function to refuse.
function image(value) {
    var url = value.replace(/[^\x00-\x7f]+/g, encodeURIComponent);
    for (var round = 0; round < 3; round++) {
        var plain = /^[a-z][a-z0-9+.-]*:\/\//i.test(url);
        url = plain ? decoded(url, ESCAPE_IN_PLAIN) : decoded(url.replace(/\+/g, ' '), ESCAPE);
        if (!/^https?%(25)*3A/i.test(url)) {
            break;
        }
    }
    if (/[\x00-\x1f\x7f]/.test(url)) {
        return value;
    }
    var spelled = escaped(url);
    var result = encodeURIComponent(spelled);
    return /^[a-z][a-z0-9+.-]*:\/\/[^\/?#]/i.test(spelled) && result.length <= MOST ? result : value;
}

function side(value) {
    return /^(?:[0-9]|%3[0-9])+$/.test(value) ? decoded(value, ESCAPE).replace(/^0+(?=[0-9])/, '') : value;
}

function pairs(query, name, spell) {
    if (!query[name]) {
        return [];
    }
    if (query[name].multiValue) {
        return query[name].multiValue.map(function (each) { return name + '=' + each.value; });
    }
    return query[name].value ? [name + '=' + spell(query[name].value)] : [];
}

function takes(accept, type) {
    return accept.toLowerCase().split(',').some(function (range) {
        var parts = range.split(';').map(function (part) { return part.trim(); });
        return parts[0] === type && !parts.slice(1).some(function (part) { return /^q=0(\.0*)?$/.test(part); });
    });
}

function value(headers, name) {
    return headers[name] ? headers[name].value : '';
}

function handler(event) {
    var request = event.request;
    var query = request.querystring;
    var source = pairs(query, 's', image);
    // A request of the resizer itself, by another name of this distribution, gets only what the origin has.
    var mine = value(request.headers, 'user-agent') === 'prewmanager-edge';
    request.querystring = source.length && !mine
        ? source.concat(pairs(query, 'w', side), pairs(query, 'h', side)).join('&')
        : '';
    // Four values instead of one for each browser, where the cache policy has Accept in its key; the other function's
    // settings say which of the formats counts.
    var accept = value(request.headers, 'accept');
    var known = ['image/avif', 'image/webp'].filter(function (type) { return takes(accept, type); });
    request.headers.accept = { value: known.join(',') || '*/*' };
    return request;
}
