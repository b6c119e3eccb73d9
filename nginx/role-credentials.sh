#!/bin/sh
# Run before nginx, whose process is $1, if PREW_NGINX_ROLE is on: writes the role's credentials into the file that nginx
# signs with, and returns. Renews them while nginx runs. Where that fails, the last ones stay until they end.
#
# AWS's own order (docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html): web identity, container, instance.
set -eu
[ "$PREW_NGINX_ROLE" = on ] || exit 0
umask 077
file="$PREW_NGINX_CREDENTIALS_FILE"
imds="${AWS_EC2_METADATA_SERVICE_ENDPOINT:-http://169.254.169.254}"
imds="${imds%/}/latest"

say() {
    echo "prewmanager: nginx's role: $1" >&2
}

# Tokens go by standard input: arguments are in the list of processes.
ask() {
    curl -sS --fail --noproxy '*' --connect-timeout 2 --max-time 5 "$@"
}

from_web_identity() {
    domain=amazonaws.com
    case "$AWS_REGION" in cn-*) domain=amazonaws.com.cn ;; esac
    ask --data-urlencode "Action=AssumeRoleWithWebIdentity" --data-urlencode "Version=2011-06-15" \
        --data-urlencode "RoleArn=$AWS_ROLE_ARN" \
        --data-urlencode "RoleSessionName=${AWS_ROLE_SESSION_NAME:-prewmanager-nginx}" \
        --data-urlencode "WebIdentityToken@$AWS_WEB_IDENTITY_TOKEN_FILE" \
        "${AWS_ENDPOINT_URL_STS:-https://sts.$AWS_REGION.$domain}/"
}

from_container() {
    token="${AWS_CONTAINER_AUTHORIZATION_TOKEN:-}"
    [ -z "${AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE:-}" ] || token=$(cat "$AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
    printf '%s\n' "${token:+Authorization: $token}" |
        ask -H @- "${AWS_CONTAINER_CREDENTIALS_FULL_URI:-http://169.254.170.2${AWS_CONTAINER_CREDENTIALS_RELATIVE_URI:-}}"
}

from_instance() {
    token=$(ask -X PUT -H "X-aws-ec2-metadata-token-ttl-seconds: 300" "$imds/api/token") || return 1
    name=$(printf 'X-aws-ec2-metadata-token: %s\n' "$token" | ask -H @- "$imds/meta-data/iam/security-credentials/") ||
        return 1
    printf 'X-aws-ec2-metadata-token: %s\n' "$token" |
        ask -H @- "$imds/meta-data/iam/security-credentials/$(printf '%s\n' "$name" | head -n 1)"
}

from_role() {
    if [ -n "${AWS_WEB_IDENTITY_TOKEN_FILE:-}" ]; then
        from_web_identity
    elif [ -n "${AWS_CONTAINER_CREDENTIALS_FULL_URI:-}${AWS_CONTAINER_CREDENTIALS_RELATIVE_URI:-}" ]; then
        from_container
    else
        from_instance
    fi
}

# The member of JSON or the element of XML with this name; a value that could end a string of JSON is none.
member() {
    printf '%s' "$answer" | tr -d '\n' | sed -n "s/.*[\"<]$1\(\" *: *\"\|>\)\([A-Za-z0-9+\/=_:.-]*\)[\"<].*/\2/p"
}

# Writes new credentials in one step, and sets when they end.
renew() {
    answer=$(from_role) || return 1
    key=$(member AccessKeyId)
    secret=$(member SecretAccessKey)
    token=$(member SessionToken)
    token="${token:-$(member Token)}"
    ending=$(date -u -d "$(member Expiration)" +%s 2>/dev/null) || ending=""
    if [ -z "$key" ] || [ -z "$secret" ] || [ -z "$ending" ]; then
        say "the answer has no credentials"
        return 1
    fi
    printf '{"AccessKeyId": "%s", "SecretAccessKey": "%s", "Token": "%s"}\n' "$key" "$secret" "$token" >"$file.new"
    # The workers read it; only root can give it to them.
    [ "$(id -u)" -ne 0 ] || chown "$PREW_NGINX_USER" "$file.new"
    mv "$file.new" "$file"
    ends=$ending
}

# Says when to ask again: with a third of their time left, of long ones ten minutes; after a failure soon, and sooner the
# closer their end is.
again() {
    now=$(date +%s)
    left=$((ends - now))
    if renew; then
        now=$(date +%s)
        left=$((ends - now))
        margin=$((left / 3))
        [ "$margin" -le 600 ] || margin=600
        next=$((now + left - margin))
        [ "$next" -gt "$now" ] || next=$((now + 1))
        return
    fi
    if [ "$left" -gt 0 ]; then
        say "could not be renewed; the last credentials are good for $left seconds"
    else
        say "has no valid credentials: photos are 502"
    fi
    pause=$((left / 8))
    [ "$pause" -ge 1 ] || pause=1
    [ "$left" -gt 0 ] || pause=5
    [ "$pause" -le 30 ] || pause=30
    next=$((now + pause))
}

ends=0
# nginx is not to sign with what an earlier one left.
printf '{}\n' >"$file"
[ "$(id -u)" -ne 0 ] || chown "$PREW_NGINX_USER" "$file"
again
while kill -0 "$1" 2>/dev/null; do
    sleep 1
    [ "$(date +%s)" -lt "$next" ] || again
done </dev/null >/dev/null &
