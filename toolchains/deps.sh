#!/bin/bash
# Builds the static C libraries of bramble for one architecture from Debian's original source tarballs.
#
#   toolchains/deps.sh amd64|arm64|armhf|armv6
#
# Called by toolchains/deps.cmake (when BRAMBLE_DEPS is not given) and by people. The last line of stdout is the prefix.
# Leaves behind, under ${BRAMBLE_CACHE:-${XDG_CACHE_HOME:-~/.cache}/bramble}:
#   distfiles/            the tarballs, checked against deps.tsv, and Debian packages, checked by apt
#   apt/                  package lists
#   deps/<arch>-<hash>/   include/ and lib/*.a, complete or absent; the hash covers everything that decides the result
# Environment: BRAMBLE_CACHE, BRAMBLE_JOBS (compiler processes, default: one for each core).
set -euo pipefail
export LC_ALL=C

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
arch=${1:-}
cache=${BRAMBLE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/bramble}
jobs=${BRAMBLE_JOBS:-$(nproc)}

die() { echo "deps.sh: $*" >&2; exit 1; }
say() { echo "deps.sh: $arch: $*" >&2; }

# --- What differs between architectures; keep in step with toolchains/<arch>.cmake ---------------------------------------

# 32-bit: times and file sizes are 64 bits wide, here as in bramble itself; 32-bit glibc has no static-pie.
# -no-pie is for the trial programs of libarchive's configure step.
wide='-D_FILE_OFFSET_BITS=64 -D_TIME_BITS=64 -fno-pie -no-pie'
case $arch in
  amd64) triplet=x86_64-linux-gnu     debian=amd64 flags='-fPIE' ;;
  arm64) triplet=aarch64-linux-gnu    debian=arm64 flags='-fPIE' ;;
  armhf) triplet=arm-linux-gnueabihf  debian=armhf flags="-march=armv7-a -mfpu=vfpv3-d16 -mfloat-abi=hard -mthumb $wide" ;;
  armv6) triplet=arm-linux-gnueabi    debian=armel flags="-march=armv6 -mfpu=vfp -mfloat-abi=softfp -marm $wide" ;;
  *) die 'usage: deps.sh amd64|arm64|armhf|armv6' ;;
esac
flags="-Os -ffunction-sections -fdata-sections -fno-plt -DNDEBUG $flags"
cc=$triplet-gcc
ar=$triplet-ar
command -v "$cc" >/dev/null || die "$cc is missing; run toolchains/install-packages.sh build (or cross)"

hash=$({ echo "$arch $flags"; "$cc" --version
         cat "$here/deps.sh" "$here/deps.tsv" "$here/apt.sh" "$here/mnl/mnl.c" "$here"/patches/*/*; } | sha256sum | cut -c1-12)
prefix=$cache/deps/$arch-$hash
if [[ -d $prefix ]]; then echo "$prefix"; exit 0; fi

mkdir -p "$cache/distfiles" "$cache/deps"
exec 9>"$cache/deps/.$arch.lock"
flock 9
if [[ -d $prefix ]]; then echo "$prefix"; exit 0; fi   # built by another while this one waited

for tool in cmake make tclsh bzip2 xz patch; do
  command -v $tool >/dev/null || die "$tool is missing; run toolchains/install-packages.sh build"
done
. "$here/apt.sh"   # fetch_source, fetch_package

rm -rf "$cache/deps/.$arch".??????   # of a run that was killed
work=$(mktemp -d "$cache/deps/.$arch.XXXXXX")
log=$cache/deps/$arch.log
: >"$log"
failed() { say "failed, the end of $log:"; tail -n 25 "$log" | cut -c1-300 >&2; }
trap 'status=$?; rm -rf "$work"; ((status == 0)) || failed' EXIT
out=$work/prefix
mkdir -p "$out/include" "$out/lib"

# --- Helpers -------------------------------------------------------------------------------------------------------------

# column NAME FIELD: one field of the row of deps.tsv with that name.
column() { awk -F'\t' -v name="$1" -v field="$2" '$1 == name { print $field }' "$here/deps.tsv"; }

# unpack NAME: unpacks the fetched tarball, enters its directory and applies the patches.
unpack() {
  local file fix
  file=$(column "$1" 3)
  mkdir "$work/$1"
  tar -xf "$cache/distfiles/$file" -C "$work/$1" --strip-components=1
  cd "$work/$1"
  for fix in "$here/patches/$1"/*.patch; do
    [[ ! -f $fix ]] || patch -p1 --batch --no-backup-if-mismatch <"$fix" >>"$log" 2>&1 || die "$fix does not apply"
  done
}

# take_package PACKAGE: headers and static libraries of a Debian 12 package.
take_package() {
  local from=$work/$1
  fetch_package "$1" "$debian" bookworm "$from"
  cp -r "$from/usr/include/." "$out/include/"
  if [[ -d $out/include/$triplet ]]; then   # headers that differ between architectures
    cp -r "$out/include/$triplet/." "$out/include/"
    rm -r "${out:?}/include/$triplet"
  fi
  find "$from/usr/lib" -name '*.a' -exec cp {} "$out/lib/" ';'
  [[ ! -f $out/lib/libuv_a.a ]] || mv "$out/lib/libuv_a.a" "$out/lib/libuv.a"
}

# library NAME "FLAGS" FILE...: compiles C and assembler files of the current directory into lib<NAME>.a. An -O in FLAGS wins.
library() {
  local name=$1 own=$2 objects
  shift 2
  objects=$work/objects-$name
  mkdir "$objects"
  # Flags are lists of words on purpose.
  # shellcheck disable=SC2016  # expanded by the inner sh
  printf '%s\0' "$@" | CC=$cc FLAGS="$flags $own" OUT=$objects xargs -0 -n1 -P"$jobs" sh -c \
    '$CC $FLAGS -w -c "$1" -o "$OUT/$(echo "$1" | tr ./ __).o"' sh >>"$log" 2>&1
  "$ar" rcsD "$out/lib/lib$name.a" "$objects"/*.o
}

# --- One function for each library ---------------------------------------------------------------------------------------

# Code that works on every byte of a body is compiled with -O2: mbedTLS signs 1.7 times as often for 30 kB more.

# mbedTLS: TLS 1.2 and 1.3 with ephemeral elliptic curve key exchange only; the config header itself is edited, so that
# users of the library need no define.
build_mbedtls() {
  local config=include/mbedtls/mbedtls_config.h name f
  unpack mbedtls
  enable() {
    for name; do
      sed -i "s|^//#define $name\$|#define $name|" $config
      grep -qx "#define $name" $config || die "mbedtls: no option $name"
    done
  }
  disable() {
    for name; do
      grep -qx "#define $name" $config || die "mbedtls: no option $name"
      sed -i "s|^#define $name\$|//&|" $config
    done
  }
  enable MBEDTLS_THREADING_C MBEDTLS_THREADING_PTHREAD
  disable MBEDTLS_SELF_TEST MBEDTLS_DEBUG_C MBEDTLS_VERSION_FEATURES MBEDTLS_TIMING_C
  # Ciphers, hashes and curves that no Kubernetes client offers first or alone.
  disable MBEDTLS_ARIA_C MBEDTLS_CAMELLIA_C MBEDTLS_DES_C MBEDTLS_RIPEMD160_C MBEDTLS_NIST_KW_C MBEDTLS_LMS_C MBEDTLS_PKCS7_C MBEDTLS_PKCS12_C
  disable MBEDTLS_ECP_DP_SECP192R1_ENABLED MBEDTLS_ECP_DP_SECP224R1_ENABLED MBEDTLS_ECP_DP_SECP192K1_ENABLED MBEDTLS_ECP_DP_SECP224K1_ENABLED \
    MBEDTLS_ECP_DP_SECP256K1_ENABLED MBEDTLS_ECP_DP_BP256R1_ENABLED MBEDTLS_ECP_DP_BP384R1_ENABLED MBEDTLS_ECP_DP_BP512R1_ENABLED MBEDTLS_ECP_DP_CURVE448_ENABLED
  # Key exchanges without forward secrecy, or with finite-field Diffie-Hellman; datagram TLS; PSA key files.
  disable MBEDTLS_KEY_EXCHANGE_PSK_ENABLED MBEDTLS_KEY_EXCHANGE_DHE_PSK_ENABLED MBEDTLS_KEY_EXCHANGE_ECDHE_PSK_ENABLED MBEDTLS_KEY_EXCHANGE_RSA_PSK_ENABLED \
    MBEDTLS_KEY_EXCHANGE_RSA_ENABLED MBEDTLS_KEY_EXCHANGE_DHE_RSA_ENABLED MBEDTLS_KEY_EXCHANGE_ECDH_ECDSA_ENABLED MBEDTLS_KEY_EXCHANGE_ECDH_RSA_ENABLED \
    MBEDTLS_DHM_C MBEDTLS_ECJPAKE_C
  disable MBEDTLS_SSL_PROTO_DTLS MBEDTLS_SSL_DTLS_ANTI_REPLAY MBEDTLS_SSL_DTLS_HELLO_VERIFY MBEDTLS_SSL_DTLS_CLIENT_PORT_REUSE MBEDTLS_SSL_DTLS_CONNECTION_ID \
    MBEDTLS_SSL_RENEGOTIATION MBEDTLS_SSL_CONTEXT_SERIALIZATION MBEDTLS_PSA_CRYPTO_STORAGE_C MBEDTLS_PSA_ITS_FILE_C

  local -a tls=() x509=() crypto=()
  for f in library/*.c; do
    case $f in
      library/ssl_*|library/debug.c|library/mps_*|library/net_sockets.c) tls+=("$f") ;;
      library/x509*|library/pkcs7.c) x509+=("$f") ;;
      *) crypto+=("$f") ;;
    esac
  done
  library mbedtls '-Iinclude -Ilibrary' "${tls[@]}"
  library mbedx509 '-Iinclude -Ilibrary' "${x509[@]}"
  library mbedcrypto '-O2 -Iinclude -Ilibrary' "${crypto[@]}"
  cp -r include/mbedtls include/psa "$out/include/"
}

# SQLite: the amalgamation is generated on the build machine, then compiled for the target. HAVE_FDATASYNC matters: without
# it every commit is a full fsync.
build_sqlite() {
  unpack sqlite
  { ./configure --disable-tcl --disable-readline && make sqlite3.c sqlite3.h; } >>"$log" 2>&1
  library sqlite3 '-DSQLITE_THREADSAFE=2 -DSQLITE_OMIT_LOAD_EXTENSION -DSQLITE_DQS=0 -DSQLITE_DEFAULT_MEMSTATUS=0
    -DSQLITE_OMIT_DEPRECATED -DSQLITE_OMIT_SHARED_CACHE -DSQLITE_USE_ALLOCA -DHAVE_FDATASYNC=1 -DHAVE_USLEEP=1 -DUSE_PREAD=1
    -DHAVE_LOCALTIME_R=1 -DHAVE_GMTIME_R=1 -DHAVE_STRCHRNUL=1 -DHAVE_MALLOC_USABLE_SIZE=1' sqlite3.c
  cp sqlite3.h "$out/include/"
}

build_uv() {
  unpack uv
  local -a files=(src/{fs-poll,idna,inet,random,strscpy,strtok,thread-common,threadpool,timer,uv-common,uv-data-getter-setters,version}.c
    src/unix/{async,core,dl,fs,getaddrinfo,getnameinfo,linux,loop,loop-watcher,pipe,poll,process,procfs-exepath,proctitle}.c
    src/unix/{random-devurandom,random-getentropy,random-getrandom,random-sysctl-linux,signal,stream,tcp,thread,tty,udp}.c)
  library uv '-Iinclude -Isrc -D_GNU_SOURCE -D_LARGEFILE_SOURCE -D_FILE_OFFSET_BITS=64 -D_POSIX_C_SOURCE=200112' "${files[@]}"
  cp -r include/uv include/uv.h "$out/include/"
}

build_yaml() {
  unpack yaml
  library yaml '-Iinclude -DYAML_VERSION_MAJOR=0 -DYAML_VERSION_MINOR=2 -DYAML_VERSION_PATCH=5 -DYAML_VERSION_STRING="0.2.5"' src/*.c
  cp include/yaml.h "$out/include/"
}

build_nghttp2() {
  local version number
  version=$(column nghttp2 2)
  # shellcheck disable=SC2086  # three words on purpose
  number=$(printf '0x%02x%02x%02x' ${version//./ })
  unpack nghttp2
  sed "s/@PACKAGE_VERSION@/$version/; s/@PACKAGE_VERSION_NUM@/$number/" lib/includes/nghttp2/nghttp2ver.h.in >lib/includes/nghttp2/nghttp2ver.h
  library nghttp2 '-Ilib/includes -Ilib -DNGHTTP2_STATICLIB -DBUILDING_NGHTTP2 -DHAVE_ARPA_INET_H -DHAVE_NETINET_IN_H -DHAVE_TIME_H
    -DHAVE_CLOCK_GETTIME -DHAVE_DECL_CLOCK_MONOTONIC=1 -DHAVE_UNISTD_H' lib/*.c
  mkdir "$out/include/nghttp2"
  cp lib/includes/nghttp2/*.h "$out/include/nghttp2/"
}

build_yyjson() {
  unpack yyjson
  library yyjson '-O2 -Isrc' src/yyjson.c
  cp src/yyjson.h "$out/include/"
}

build_zlib() {
  unpack zlib
  sed -i 's|^#ifdef HAVE_UNISTD_H.*|#if 1|; s|^#ifdef HAVE_STDARG_H.*|#if 1|' zconf.h   # what its configure does
  library z '-O2 -D_LARGEFILE64_SOURCE=1 -DHAVE_HIDDEN' ./*.c
  cp zlib.h zconf.h "$out/include/"
}

build_zstd() {
  unpack zstd
  local -a files=(lib/common/*.c lib/compress/*.c lib/decompress/*.c)
  [[ $arch != amd64 ]] || files+=(lib/decompress/*.S)
  library zstd '-O2 -Ilib -Ilib/common -DXXH_NAMESPACE=ZSTD_ -DZSTD_LEGACY_SUPPORT=0' "${files[@]}"
  cp lib/zstd.h lib/zstd_errors.h "$out/include/"
}

# libarchive: zlib and zstd only. Comes after both.
build_archive() {
  unpack archive
  local option
  local -a options=()
  for option in MBEDTLS NETTLE OPENSSL LIBB2 LZ4 LZO LZMA BZip2 LIBXML2 EXPAT PCREPOSIX PCRE2POSIX LIBGCC CNG TAR CPIO CAT UNZIP XATTR ACL ICONV TEST; do
    options+=("-DENABLE_$option=OFF")
  done
  {
    cmake -S . -B build -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR="$arch" -DCMAKE_C_COMPILER="$cc" -DCMAKE_AR="$(command -v "$ar")" \
      -DCMAKE_RANLIB="$(command -v "$triplet-ranlib")" -DCMAKE_C_FLAGS="$flags -w" -DCMAKE_BUILD_TYPE=None \
      -DCMAKE_FIND_ROOT_PATH="$out" -DCMAKE_FIND_ROOT_PATH_MODE_LIBRARY=ONLY -DCMAKE_FIND_ROOT_PATH_MODE_INCLUDE=ONLY \
      -DZLIB_LIBRARY="$out/lib/libz.a" -DZLIB_INCLUDE_DIR="$out/include" -DZSTD_LIBRARY="$out/lib/libzstd.a" -DZSTD_INCLUDE_DIR="$out/include" \
      -DBUILD_SHARED_LIBS=OFF -DENABLE_WERROR=OFF -DPOSIX_REGEX_LIB=NONE -DENABLE_ZLIB=ON -DENABLE_ZSTD=ON "${options[@]}"
    cmake --build build --target archive_static -j"$jobs"
  } >>"$log" 2>&1
  for option in HAVE_LIBZ HAVE_LIBZSTD; do
    grep -q "^#define $option 1" build/config.h || die "libarchive: $option is missing"
  done
  cp build/libarchive/libarchive.a "$out/lib/"
  cp libarchive/archive.h libarchive/archive_entry.h "$out/include/"
}

build_http_parser() {
  unpack http_parser
  library http_parser '-O2 -I.' http_parser.c
  cp http_parser.h "$out/include/"
}

# c-ares: the resolver alone, driven by the loop's own descriptors and timers.
build_cares() {
  unpack cares
  {
    cmake -S . -B build -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR="$arch" -DCMAKE_C_COMPILER="$cc" -DCMAKE_AR="$(command -v "$ar")" \
      -DCMAKE_RANLIB="$(command -v "$triplet-ranlib")" -DCMAKE_C_FLAGS="$flags -w" -DCMAKE_BUILD_TYPE=None \
      -DCARES_STATIC=ON -DCARES_SHARED=OFF -DCARES_BUILD_TOOLS=OFF -DCARES_BUILD_TESTS=OFF -DCARES_THREADS=OFF -DCARES_INSTALL=OFF
    cmake --build build -j"$jobs"
  } >>"$log" 2>&1
  cp build/lib/libcares.a "$out/lib/"
  cp include/ares.h include/ares_dns.h include/ares_dns_record.h include/ares_nameser.h include/ares_version.h build/ares_build.h "$out/include/"
}

# libmnl: the header of the package, code of our own (see mnl/mnl.c).
build_mnl() {
  take_package libmnl-dev
  cd "$here"
  library mnl "-I$out/include" mnl/mnl.c
}

mapfile -t names < <(awk -F'\t' '!/^#/ { print $1 }' "$here/deps.tsv")
for name in "${names[@]}"; do
  tarball=$(column "$name" 3)
  package=$(column "$name" 6)
  say "building $name $(column "$name" 2)"
  if declare -F "build_$name" >/dev/null &&
     { [[ $tarball == - ]] || fetch_source "$tarball" "$(column "$name" 4)" "$cache/distfiles"; }; then
    ("build_$name")
  elif [[ $package != - ]]; then
    say "$name: taking the static library of Debian's $package"
    (take_package "$package")
  else
    die "$name: $tarball is on no mirror of this machine's apt, nor in $cache/distfiles"
  fi
done

cd "$cache"
mv -T "$out" "$prefix"
echo "$prefix"
