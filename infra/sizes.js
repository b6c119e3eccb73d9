// Viewer request: rounds the edge resizer's sizes to a short list, so that nobody can fill the cache, and the bill,
// with arbitrary widths. A size becomes the next larger one on the list, or the largest.
var SIZES = [[300, 157], [600, 314], [1200, 627], [2400, 1254]];

function number(parameter, otherwise) {
    var value = parameter ? parseInt(parameter.value, 10) : otherwise;
    return value > 0 ? value : otherwise;
}

function handler(event) {
    var request = event.request;
    var query = request.querystring;
    if (!query.s) {
        // Not for the resizer: the sizes would only split the cache.
        delete query.w;
        delete query.h;
        return request;
    }
    var width = number(query.w, 1200);
    var height = number(query.h, 627);
    var size = SIZES[SIZES.length - 1];
    for (var i = SIZES.length - 1; i >= 0; i--) {
        if (SIZES[i][0] >= width && SIZES[i][1] >= height) {
            size = SIZES[i];
        }
    }
    query.w = { value: String(size[0]) };
    query.h = { value: String(size[1]) };
    return request;
}
