// Calls into every dependency; prints one line for each and ends with 1 if one is wrong. Also built for ARM and run under
// user-mode emulation. Not part of bramble.
#include <archive.h>
#include <archive_entry.h>
#include <http_parser.h>
#include <errno.h>
#include <mbedtls/ctr_drbg.h>
#include <mbedtls/ecdsa.h>
#include <mbedtls/entropy.h>
#include <mbedtls/pk.h>
#include <mbedtls/ssl.h>
#include <mbedtls/version.h>
#include <mbedtls/x509_csr.h>
#include <nghttp2/nghttp2.h>
#include <psa/crypto.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <uv.h>
#include <yaml.h>
#include <yyjson.h>
#include <zlib.h>
#include <zstd.h>

#include <atomic>

extern "C" {
#include <libmnl/libmnl.h>
#include <libnftnl/batch.h>
#include <libnftnl/common.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/table.h>
#include <linux/netfilter/nf_tables.h>
}

namespace {

int wrong = 0;

void report(const char* name, const char* version, bool good) {
  printf("%-12s %-10s %s\n", name, version, good ? "ok" : "WRONG");
  wrong += !good;
}

static_assert(sizeof(time_t) == 8 && sizeof(off_t) == 8, "bramble and its libraries use 64-bit times and offsets");

// A P-256 key, a signing request made and read again, and TLS contexts for both sides.
bool try_mbedtls() {
  if (psa_crypto_init() != PSA_SUCCESS) return false;
  mbedtls_entropy_context entropy;
  mbedtls_entropy_init(&entropy);
  mbedtls_ctr_drbg_context rng;
  mbedtls_ctr_drbg_init(&rng);
  mbedtls_pk_context key;
  mbedtls_pk_init(&key);
  mbedtls_x509write_csr request;
  mbedtls_x509write_csr_init(&request);
  mbedtls_x509_csr parsed;
  mbedtls_x509_csr_init(&parsed);
  mbedtls_ssl_config config;
  mbedtls_ssl_config_init(&config);
  mbedtls_ssl_context tls;
  mbedtls_ssl_init(&tls);
  const char* alpn[] = {"h2", "http/1.1", nullptr};
  unsigned char pem[2048];
  bool good = mbedtls_ctr_drbg_seed(&rng, mbedtls_entropy_func, &entropy, nullptr, 0) == 0 &&
              mbedtls_pk_setup(&key, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY)) == 0 &&
              mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(key), mbedtls_ctr_drbg_random, &rng) == 0;
  mbedtls_x509write_csr_set_md_alg(&request, MBEDTLS_MD_SHA256);
  mbedtls_x509write_csr_set_key(&request, &key);
  good = good && mbedtls_x509write_csr_set_subject_name(&request, "CN=system:node:pi,O=system:nodes") == 0 &&
         mbedtls_x509write_csr_pem(&request, pem, sizeof pem, mbedtls_ctr_drbg_random, &rng) == 0 &&
         mbedtls_x509_csr_parse(&parsed, pem, strlen(reinterpret_cast<char*>(pem)) + 1) == 0 &&
         mbedtls_ssl_config_defaults(&config, MBEDTLS_SSL_IS_SERVER, MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT) == 0 &&
         mbedtls_ssl_conf_alpn_protocols(&config, alpn) == 0;
  mbedtls_ssl_conf_rng(&config, mbedtls_ctr_drbg_random, &rng);
  mbedtls_ssl_conf_max_tls_version(&config, MBEDTLS_SSL_VERSION_TLS1_3);
  good = good && mbedtls_ssl_setup(&tls, &config) == 0;
  mbedtls_ssl_free(&tls);
  mbedtls_ssl_config_free(&config);
  mbedtls_x509_csr_free(&parsed);
  mbedtls_x509write_csr_free(&request);
  mbedtls_pk_free(&key);
  mbedtls_ctr_drbg_free(&rng);
  mbedtls_entropy_free(&entropy);
  return good;
}

bool try_sqlite() {
  sqlite3* db = nullptr;
  bool good = sqlite3_open(":memory:", &db) == SQLITE_OK &&
              sqlite3_exec(db, "CREATE TABLE t(k TEXT PRIMARY KEY, v BLOB) WITHOUT ROWID; INSERT INTO t VALUES('a', x'00');", nullptr, nullptr,
                           nullptr) == SQLITE_OK;
  good = good && sqlite3_compileoption_used("THREADSAFE=2");
  sqlite3_close(db);
  return good;
}

bool try_uv() {
  uv_loop_t loop;
  uv_timer_t timer;
  if (uv_loop_init(&loop) != 0) return false;
  uv_timer_init(&loop, &timer);
  uv_timer_start(&timer, [](uv_timer_t* handle) { uv_close(reinterpret_cast<uv_handle_t*>(handle), nullptr); }, 1, 0);
  uv_run(&loop, UV_RUN_DEFAULT);
  return uv_loop_close(&loop) == 0;
}

bool try_yaml() {
  const char* text = "kind: Pod\n";
  yaml_parser_t parser;
  yaml_document_t document;
  yaml_parser_initialize(&parser);
  yaml_parser_set_input_string(&parser, reinterpret_cast<const unsigned char*>(text), strlen(text));
  bool good = yaml_parser_load(&parser, &document) == 1 && yaml_document_get_root_node(&document)->type == YAML_MAPPING_NODE;
  yaml_document_delete(&document);
  yaml_parser_delete(&parser);
  return good;
}

bool try_nghttp2() {
  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_session* session = nullptr;
  bool good = nghttp2_session_callbacks_new(&callbacks) == 0 && nghttp2_session_server_new(&session, callbacks, nullptr) == 0;
  nghttp2_session_del(session);
  nghttp2_session_callbacks_del(callbacks);
  return good;
}

bool try_yyjson() {
  const char* text = R"({"spec":{"nodeName":"pi"}})";
  yyjson_doc* document = yyjson_read(text, strlen(text), 0);
  bool good = yyjson_equals_str(yyjson_doc_ptr_get(document, "/spec/nodeName"), "pi");
  yyjson_doc_free(document);
  return good;
}

bool try_zlib() {
  unsigned char packed[256], plain[256];
  uLongf packed_bytes = sizeof packed, plain_bytes = sizeof plain;
  return compress(packed, &packed_bytes, reinterpret_cast<const Bytef*>("bramble"), 8) == Z_OK &&
         uncompress(plain, &plain_bytes, packed, packed_bytes) == Z_OK && plain_bytes == 8 && memcmp(plain, "bramble", 8) == 0;
}

bool try_zstd() {
  char packed[256], plain[256];
  size_t packed_bytes = ZSTD_compress(packed, sizeof packed, "bramble", 8, 3);
  return ZSTD_decompress(plain, sizeof plain, packed, packed_bytes) == 8 && memcmp(plain, "bramble", 8) == 0;
}

// A layer with one file, written with a filter and read again.
bool try_archive(int (*add_filter)(archive*)) {
  static char layer[64 * 1024];
  size_t layer_bytes = 0;
  archive* writer = archive_write_new();
  archive_write_set_format_pax_restricted(writer);
  bool good = add_filter(writer) == ARCHIVE_OK && archive_write_open_memory(writer, layer, sizeof layer, &layer_bytes) == ARCHIVE_OK;
  archive_entry* entry = archive_entry_new();
  archive_entry_set_pathname(entry, "etc/hostname");
  archive_entry_set_size(entry, 3);
  archive_entry_set_filetype(entry, AE_IFREG);
  archive_entry_set_mtime(entry, int64_t{1} << 32, 0);   // after 2038
  good = good && archive_write_header(writer, entry) == ARCHIVE_OK && archive_write_data(writer, "pi\n", 3) == 3;
  archive_entry_free(entry);
  archive_write_free(writer);

  archive* reader = archive_read_new();
  archive_read_support_filter_gzip(reader);
  archive_read_support_filter_zstd(reader);
  archive_read_support_format_tar(reader);
  good = good && archive_read_open_memory(reader, layer, layer_bytes) == ARCHIVE_OK && archive_read_next_header(reader, &entry) == ARCHIVE_OK &&
         strcmp(archive_entry_pathname(entry), "etc/hostname") == 0 && archive_entry_mtime(entry) == int64_t{1} << 32;
  archive_read_free(reader);
  return good;
}

// A table and a rule with an expression, framed as a batch message by libnftnl over our libmnl, and read back.
bool try_nftnl() {
  alignas(8) static char buffer[4096];
  nftnl_rule* rule = nftnl_rule_alloc();
  nftnl_rule_set_str(rule, NFTNL_RULE_TABLE, "bramble");
  nftnl_rule_set_str(rule, NFTNL_RULE_CHAIN, "services");
  nftnl_expr* counter = nftnl_expr_alloc("counter");
  nftnl_expr_set_u64(counter, NFTNL_EXPR_CTR_PACKETS, 7);
  nftnl_rule_add_expr(rule, counter);
  nlmsghdr* message = nftnl_nlmsg_build_hdr(buffer, NFT_MSG_NEWRULE, 2, NLM_F_CREATE, 1);
  nftnl_rule_nlmsg_build_payload(message, rule);
  nftnl_rule_free(rule);

  nftnl_rule* parsed = nftnl_rule_alloc();
  bool good = mnl_nlmsg_ok(message, sizeof buffer) && nftnl_rule_nlmsg_parse(message, parsed) >= 0 &&
              strcmp(nftnl_rule_get_str(parsed, NFTNL_RULE_CHAIN), "services") == 0;
  uint64_t packets = 0;
  if (good) {
    nftnl_expr_foreach(
        parsed,
        [](nftnl_expr* e, void* out) {
          *static_cast<uint64_t*>(out) = nftnl_expr_get_u64(e, NFTNL_EXPR_CTR_PACKETS);
          return 0;
        },
        &packets);
  }
  nftnl_rule_free(parsed);
  return good && packets == 7;
}

// With a privilege and nf_tables in the kernel: adds a table in this network namespace, finds it, deletes it.
const char* try_kernel() {
  mnl_socket* socket = mnl_socket_open(NETLINK_NETFILTER);
  if (!socket) return "no netfilter socket";
  if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0) return "cannot bind";
  static char buffer[32 * 1024];
  nftnl_table* table = nftnl_table_alloc();
  nftnl_table_set_str(table, NFTNL_TABLE_NAME, "bramble_probe");
  nftnl_table_set_u32(table, NFTNL_TABLE_FAMILY, 2);
  const uint16_t kinds[] = {NFT_MSG_NEWTABLE, NFT_MSG_GETTABLE, NFT_MSG_DELTABLE};
  const char* failed = nullptr;
  unsigned sequence = 1;
  int found = 0;
  for (uint16_t kind : kinds) {
    mnl_nlmsg_batch* batch = mnl_nlmsg_batch_start(buffer, sizeof buffer / 2);
    if (kind != NFT_MSG_GETTABLE) {
      nftnl_batch_begin(static_cast<char*>(mnl_nlmsg_batch_current(batch)), sequence++);
      mnl_nlmsg_batch_next(batch);
    }
    unsigned sent = sequence++;
    uint16_t flags = NLM_F_ACK | (kind == NFT_MSG_NEWTABLE ? NLM_F_CREATE : 0);
    nlmsghdr* message = nftnl_nlmsg_build_hdr(static_cast<char*>(mnl_nlmsg_batch_current(batch)), kind, 2, flags, sent);
    nftnl_table_nlmsg_build_payload(message, table);
    mnl_nlmsg_batch_next(batch);
    if (kind != NFT_MSG_GETTABLE) {
      nftnl_batch_end(static_cast<char*>(mnl_nlmsg_batch_current(batch)), sequence++);
      mnl_nlmsg_batch_next(batch);
    }
    if (mnl_socket_sendto(socket, mnl_nlmsg_batch_head(batch), mnl_nlmsg_batch_size(batch)) < 0) failed = "cannot send";
    mnl_nlmsg_batch_stop(batch);
    int result = failed ? 0 : MNL_CB_OK;
    while (result > 0) {
      ssize_t bytes = mnl_socket_recvfrom(socket, buffer, sizeof buffer);
      result = bytes <= 0 ? -1
                          : mnl_cb_run(
                                buffer, static_cast<size_t>(bytes), sent, mnl_socket_get_portid(socket),
                                [](const nlmsghdr*, void* data) {
                                  ++*static_cast<int*>(data);
                                  return MNL_CB_OK;
                                },
                                &found);
    }
    if (result < 0) failed = strerror(errno);
    if (failed) break;
  }
  nftnl_table_free(table);
  mnl_socket_close(socket);
  if (!failed && found != 1) failed = "the table was not found again";
  return failed ? failed : "table added, found, deleted";
}

bool try_http_parser() {
  http_parser parser;
  http_parser_settings settings;
  http_parser_settings_init(&settings);
  http_parser_init(&parser, HTTP_REQUEST);
  const char* text = "GET /version HTTP/1.1\r\nHost: pi\r\n\r\n";
  return http_parser_execute(&parser, &settings, text, strlen(text)) == strlen(text) && parser.method == HTTP_GET;
}

}  // namespace

int main() {
  std::atomic<uint64_t> counter{1};   // calls libatomic on ARMv6
  counter.fetch_add(uint64_t{1} << 40);
  char version[32];
  snprintf(version, sizeof version, "%d.%d", HTTP_PARSER_VERSION_MAJOR, HTTP_PARSER_VERSION_MINOR);
  report("mbedtls", MBEDTLS_VERSION_STRING, try_mbedtls());
  report("sqlite", sqlite3_libversion(), try_sqlite());
  report("uv", uv_version_string(), try_uv());
  report("yaml", yaml_get_version_string(), try_yaml());
  report("nghttp2", nghttp2_version(0)->version_str, try_nghttp2());
  report("yyjson", YYJSON_VERSION_STRING, try_yyjson());
  report("zlib", zlibVersion(), try_zlib());
  report("zstd", ZSTD_versionString(), try_zstd());
  report("archive", "gzip", try_archive(archive_write_add_filter_gzip));
  report("archive", "zstd", try_archive(archive_write_add_filter_zstd));
  report("nftnl", "message", try_nftnl());
  report("http_parser", version, try_http_parser());
  report("atomic", "64 bits", counter.load() == (uint64_t{1} << 40) + 1);
  printf("%-12s %-10s %s\n", "nftnl", "kernel", try_kernel());
  return wrong == 0 ? 0 : 1;
}
