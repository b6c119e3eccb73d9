#!/bin/sh
# Closes ports of this machine to the users who have no business there: SeaweedFS's own, which ask for no key, to all but
# itself; S3's to all but nginx and the service; the service's to all but nginx, and Prometheus where it is installed. The
# administrator may reach them all.
set -eu

scraper=
! id -u prometheus >/dev/null 2>&1 || scraper=", prometheus"

own=
for port in "$S3_MASTER_PORT" "$S3_VOLUME_PORT" "$S3_FILER_PORT"; do
    own="$own$port, $((port + 10000)), "
done
exec /usr/sbin/nft -f - <<END
table inet prewmanager
delete table inet prewmanager
table inet prewmanager {
    chain output {
        type filter hook output priority filter
        tcp dport { $own$((S3_PORT + 10000)) } meta skuid != { root, prewmanager-s3 } reject with tcp reset
        tcp dport $S3_PORT meta skuid != { root, prewmanager-s3, prewmanager-nginx, prewmanager-web } reject with tcp reset
        tcp dport $PREW_PORT meta skuid != { root, prewmanager-nginx$scraper } reject with tcp reset
    }
}
END
