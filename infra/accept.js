// Viewer request, for distributions in front of presets of format auto: reduces `Accept` to what selects a preview's
// format, as nginx reads it. CloudFront then caches three answers per image instead of one for each browser.
function takes(accept, type) {
    return accept.toLowerCase().split(',').some(function (range) {
        var parts = range.split(';').map(function (part) { return part.trim(); });
        return parts[0] === type && !parts.some(function (part) { return /^q=0(\.0*)?$/.test(part); });
    });
}

function handler(event) {
    var headers = event.request.headers;
    var accept = headers.accept ? headers.accept.value : '';
    var best = ['image/avif', 'image/webp'].filter(function (type) { return takes(accept, type); })[0];
    headers.accept = { value: best || '*/*' };
    return event.request;
}
