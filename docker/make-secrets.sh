#!/usr/bin/env bash
# Makes docker/secrets: new passwords for Redis and Flower, Redis' users' file, and the fleet's keys. Changes nothing that is there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
umask 077
mkdir secrets
cp users.acl secrets/users.acl
for role in worker submit flower; do
    password=$(openssl rand -hex 24)
    sed -i "s/${role^^}_PASSWORD/$password/" secrets/users.acl
    # The dashboard and Flower listen on the host's loopback, and meet Redis there.
    host=$([ "$role" = worker ] && echo redis || echo 127.0.0.1)
    printf 'redis://%s:%s@%s:6379/0\n' "$role" "$password" "$host" > "secrets/redis_url_$role"
done
openssl rand -hex 16 > secrets/flower_password
printf '%s\n' "${AWCOPY_LEDGER:?set it to the connection string of the ledger storage account}" > secrets/ledger
mkdir secrets/keys secrets/profiles
AWCOPY_KEYS=secrets/keys awcopy keys init
echo "Now give them to the containers' user: sudo chown -R 10001:10001 docker/secrets" >&2
