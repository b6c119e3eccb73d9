// Viewer request, for distributions in front of presets of format auto: of `Accept` is left what a preview's format
// depends on, as nginx reads it. CloudFront then keeps three answers for an image, and not one for each browser.
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
