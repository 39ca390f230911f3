#!/bin/sh
# Makes a certificate authority, and a certificate of it for each host. Needs openssl, no network.
#
#   sh certificates.sh DIRECTORY HOST[:USER]...
#
# DIRECTORY/ca/ca.crt is what clients and servers trust. DIRECTORY/authority.key signs, and is for
# nobody else. DIRECTORY/HOST holds tls.crt, tls.key, and both in tls.pem. Keys can be read by
# their owner alone: USER, if one is given (needs root). What is there is kept until 30
# days before its end.
#
# A certificate is for HOST and localhost, and for servers and clients alike: nodes of KurrentDB
# are both. Its common name is HOST up to the first dash or dot: db-1 and db-2 are nodes of `db`.
set -eu
umask 077

if [ $# -lt 2 ]; then
    echo "usage: sh certificates.sh DIRECTORY HOST[:USER]..." >&2
    exit 2
fi
directory=$1
shift
ca=$directory/ca/ca.crt
authority=$directory/authority.key
mkdir -p "$directory/ca"
options=$(mktemp)
told=$(mktemp)
trap 'rm -f "$options" "$told"' EXIT

quietly() {
    "$@" 2>"$told" || { cat "$told" >&2; exit 1; }
}

cat >"$options" <<'END'
[req]
distinguished_name = name
[name]
[authority]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[host]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature, keyEncipherment
extendedKeyUsage = serverAuth, clientAuth
subjectAltName = $ENV::NAMES
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
END
export NAMES=DNS:localhost

if ! [ -s "$authority" ] || ! [ -s "$ca" ]; then
    quietly openssl req -x509 -newkey rsa:2048 -nodes -sha256 -days 3650 -subj "/CN=Lucent CA" \
        -config "$options" -extensions authority -keyout "$authority" -out "$ca"
fi

for entry in "$@"; do
    host=${entry%%:*}
    place=$directory/$host
    mkdir -p "$place"
    if ! [ -s "$place/tls.pem" ] ||
        ! openssl x509 -in "$place/tls.crt" -noout -checkend 2592000 >/dev/null 2>&1 ||
        ! openssl verify -CAfile "$ca" "$place/tls.crt" >/dev/null 2>&1; then
        NAMES=DNS:$host,DNS:localhost,IP:127.0.0.1
        quietly openssl req -new -newkey rsa:2048 -nodes -sha256 -subj "/CN=${host%%[.-]*}" \
            -config "$options" -keyout "$place/tls.key" -out "$place/request"
        quietly openssl x509 -req -in "$place/request" -CA "$ca" -CAkey "$authority" -sha256 -days 825 \
            -set_serial "0x$(openssl rand -hex 15)" -extfile "$options" -extensions host \
            -out "$place/tls.crt"
        cat "$place/tls.key" "$place/tls.crt" >"$place/tls.pem"
        rm "$place/request"
        echo "made $place/tls.crt"
    fi
    chmod 755 "$place"
    chmod 644 "$place/tls.crt"
    if [ "$entry" != "$host" ]; then
        chown "${entry#*:}" "$place/tls.key" "$place/tls.pem"
    fi
done
chmod 755 "$directory" "$directory/ca"
chmod 644 "$ca"
