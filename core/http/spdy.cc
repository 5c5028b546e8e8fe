#include "core/http/spdy.h"

#include <zlib.h>

#include "core/base/limits.h"
#include "core/base/strings.h"

namespace bramble {

namespace {

constexpr uint16_t kVersion = 3;
enum ControlType : uint16_t {
  kSynStreamType = 1,
  kSynReplyType = 2,
  kRstStreamType = 3,
  kSettingsType = 4,
  kPingType = 6,
  kGoAwayType = 7,
  kHeadersType = 8
};
constexpr uint8_t kFlagFin = 1;

std::string be32(uint32_t v) {
  return {static_cast<char>(v >> 24), static_cast<char>(v >> 16), static_cast<char>(v >> 8), static_cast<char>(v)};
}
uint32_t read_be32(std::string_view s, size_t at) {
  auto b = [&](size_t i) { return static_cast<uint32_t>(static_cast<unsigned char>(s[at + i])); };
  return b(0) << 24 | b(1) << 16 | b(2) << 8 | b(3);
}

// The dictionary of section 2.6.10.1: common names, each with its length before it, then common text.
const std::string& dictionary() {
  static const std::string text = [] {
    std::string out;
    for (std::string_view word : {"options",
                                  "head",
                                  "post",
                                  "put",
                                  "delete",
                                  "trace",
                                  "accept",
                                  "accept-charset",
                                  "accept-encoding",
                                  "accept-language",
                                  "accept-ranges",
                                  "age",
                                  "allow",
                                  "authorization",
                                  "cache-control",
                                  "connection",
                                  "content-base",
                                  "content-encoding",
                                  "content-language",
                                  "content-length",
                                  "content-location",
                                  "content-md5",
                                  "content-range",
                                  "content-type",
                                  "date",
                                  "etag",
                                  "expect",
                                  "expires",
                                  "from",
                                  "host",
                                  "if-match",
                                  "if-modified-since",
                                  "if-none-match",
                                  "if-range",
                                  "if-unmodified-since",
                                  "last-modified",
                                  "location",
                                  "max-forwards",
                                  "pragma",
                                  "proxy-authenticate",
                                  "proxy-authorization",
                                  "range",
                                  "referer",
                                  "retry-after",
                                  "server",
                                  "te",
                                  "trailer",
                                  "transfer-encoding",
                                  "upgrade",
                                  "user-agent",
                                  "vary",
                                  "via",
                                  "warning",
                                  "www-authenticate",
                                  "method",
                                  "get",
                                  "status",
                                  "200 OK",
                                  "version",
                                  "HTTP/1.1",
                                  "url",
                                  "public",
                                  "set-cookie",
                                  "keep-alive",
                                  "origin"}) {
      out += be32(static_cast<uint32_t>(word.size()));
      out += word;
    }
    out +=
        "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
        "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 "
        "Forbidden"
        "404 Not Found500 Internal Server Error501 Not Implemented503 Service Unavailable"
        "Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT"
        "chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,text/"
        "javascript,"
        "publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0.";
    return out;
  }();
  return text;
}

const Bytef* as_bytes(std::string_view s) { return reinterpret_cast<const Bytef*>(s.data()); }

}  // namespace

struct SpdyCodec::Zlib {
  z_stream in{}, out{};
  Zlib() {
    CHECK(inflateInit(&in) == Z_OK);
    CHECK(deflateInit(&out, Z_DEFAULT_COMPRESSION) == Z_OK);
    CHECK(deflateSetDictionary(&out, as_bytes(dictionary()), static_cast<uInt>(dictionary().size())) == Z_OK);
  }
  ~Zlib() {
    inflateEnd(&in);
    deflateEnd(&out);
  }
};

SpdyCodec::SpdyCodec() : zlib_(std::make_unique<Zlib>()) {}
SpdyCodec::~SpdyCodec() = default;

std::string_view SpdyFrame::header(std::string_view name) const {
  for (const auto& [k, v] : headers) {
    if (k == name) return v;
  }
  return {};
}

Result<std::vector<SpdyFrame>> SpdyCodec::feed(std::string_view bytes) {
  pending_ += bytes;
  std::vector<SpdyFrame> out;
  size_t at = 0;
  while (pending_.size() - at >= 8) {
    std::string_view head = std::string_view(pending_).substr(at, 8);
    uint32_t first = read_be32(head, 0), second = read_be32(head, 4);
    uint8_t flags = static_cast<uint8_t>(second >> 24);
    size_t size = second & 0xffffff;
    if (size > limits::kSpdyFrameBytesMax) return Error(Code::kTooLarge, cat("spdy: frame of ", size, " bytes"));
    if (pending_.size() - at - 8 < size) break;
    std::string_view payload = std::string_view(pending_).substr(at + 8, size);
    at += 8 + size;
    if ((first & 0x80000000) == 0) {
      SpdyFrame f;
      f.type = SpdyFrame::Type::kData;
      f.stream = first;
      f.fin = flags & kFlagFin;
      f.data = payload;
      out.push_back(std::move(f));
      continue;
    }
    if ((first >> 16 & 0x7fff) != kVersion) return Error(Code::kInvalidArgument, "spdy: not version 3");
    TRY_ASSIGN(SpdyFrame f, control(static_cast<uint16_t>(first), flags, payload));
    if (f.type != SpdyFrame::Type::kOther) out.push_back(std::move(f));
  }
  pending_.erase(0, at);
  return out;
}

Result<SpdyFrame> SpdyCodec::control(uint16_t type, uint8_t flags, std::string_view payload) {
  SpdyFrame f;
  f.fin = flags & kFlagFin;
  size_t fixed = type == kSynStreamType ? 10 : type == kRstStreamType || type == kGoAwayType ? 8 : 4;
  bool known = type == kSynStreamType || type == kSynReplyType || type == kRstStreamType || type == kPingType ||
               type == kGoAwayType || type == kHeadersType;
  if (!known) return f;
  if (payload.size() < fixed) return Error(Code::kInvalidArgument, cat("spdy: short control frame of type ", type));
  f.stream = read_be32(payload, 0) & 0x7fffffff;
  switch (type) {
    case kSynStreamType:
      f.type = SpdyFrame::Type::kSynStream;
      break;
    case kSynReplyType:
      f.type = SpdyFrame::Type::kSynReply;
      break;
    case kHeadersType:
      f.type = SpdyFrame::Type::kHeaders;
      break;
    case kRstStreamType:
      f.type = SpdyFrame::Type::kRstStream;
      f.number = read_be32(payload, 4);
      return f;
    case kPingType:
      f.type = SpdyFrame::Type::kPing;
      f.number = read_be32(payload, 0);
      f.stream = 0;
      return f;
    default:
      f.type = SpdyFrame::Type::kGoAway;
      return f;
  }
  TRY_ASSIGN(f.headers, read_headers(payload.substr(fixed)));
  return f;
}

Result<std::vector<std::pair<std::string, std::string>>> SpdyCodec::read_headers(std::string_view block) {
  Error broken(Code::kInvalidArgument, "spdy: broken header block");
  std::string text;
  z_stream& z = zlib_->in;
  z.next_in = const_cast<Bytef*>(as_bytes(block));
  z.avail_in = static_cast<uInt>(block.size());
  char chunk[4096];
  while (z.avail_in > 0) {
    z.next_out = reinterpret_cast<Bytef*>(chunk);
    z.avail_out = sizeof(chunk);
    int rc = inflate(&z, Z_SYNC_FLUSH);
    if (rc == Z_NEED_DICT)
      rc = inflateSetDictionary(&z, as_bytes(dictionary()), static_cast<uInt>(dictionary().size()));
    if (rc != Z_OK && rc != Z_BUF_ERROR) return broken;
    size_t got = sizeof(chunk) - z.avail_out;
    text.append(chunk, got);
    if (text.size() > limits::kHeaderBytesMax) return Error(Code::kTooLarge, "spdy: headers are too large");
    if (rc == Z_BUF_ERROR && got == 0) break;
  }
  std::vector<std::pair<std::string, std::string>> out;
  size_t at = 0;
  auto word = [&](std::string& into) {
    if (text.size() - at < 4) return false;
    size_t size = read_be32(text, at);
    at += 4;
    if (text.size() - at < size) return false;
    into = text.substr(at, size);
    at += size;
    return true;
  };
  if (text.size() < 4) return broken;
  uint32_t count = read_be32(text, 0);
  at = 4;
  for (uint32_t i = 0; i < count; ++i) {
    std::string name, value;
    if (!word(name) || !word(value)) return broken;
    out.emplace_back(lower(name), std::move(value));
  }
  return out;
}

std::string SpdyCodec::write_headers(const std::vector<std::pair<std::string, std::string>>& headers) {
  std::string text = be32(static_cast<uint32_t>(headers.size()));
  for (const auto& [k, v] : headers) {
    text += be32(static_cast<uint32_t>(k.size())) + lower(k);
    text += be32(static_cast<uint32_t>(v.size())) + v;
  }
  std::string out;
  z_stream& z = zlib_->out;
  z.next_in = const_cast<Bytef*>(as_bytes(text));
  z.avail_in = static_cast<uInt>(text.size());
  char chunk[4096];
  do {
    z.next_out = reinterpret_cast<Bytef*>(chunk);
    z.avail_out = sizeof(chunk);
    int rc = deflate(&z, Z_SYNC_FLUSH);
    CHECK(rc == Z_OK || rc == Z_BUF_ERROR, rc);
    out.append(chunk, sizeof(chunk) - z.avail_out);
  } while (z.avail_out == 0);
  return out;
}

namespace {
std::string control_frame(uint16_t type, uint8_t flags, std::string_view payload) {
  return cat(be32(0x80000000u | uint32_t{kVersion} << 16 | type),
             be32(uint32_t{flags} << 24 | static_cast<uint32_t>(payload.size())), payload);
}
}  // namespace

std::string SpdyCodec::syn_stream(uint32_t stream, const std::vector<std::pair<std::string, std::string>>& headers,
                                  bool fin) {
  std::string payload = be32(stream) + be32(0) + std::string(2, '\0') + write_headers(headers);
  return control_frame(kSynStreamType, fin ? kFlagFin : 0, payload);
}

std::string SpdyCodec::syn_reply(uint32_t stream, const std::vector<std::pair<std::string, std::string>>& headers,
                                 bool fin) {
  return control_frame(kSynReplyType, fin ? kFlagFin : 0, be32(stream) + write_headers(headers));
}

std::string SpdyCodec::data(uint32_t stream, std::string_view bytes, bool fin) {
  return cat(be32(stream & 0x7fffffff),
             be32((fin ? uint32_t{kFlagFin} << 24 : 0u) | static_cast<uint32_t>(bytes.size())), bytes);
}

std::string SpdyCodec::rst_stream(uint32_t stream, uint32_t status) {
  return control_frame(kRstStreamType, 0, be32(stream) + be32(status));
}

std::string SpdyCodec::ping(uint32_t id) { return control_frame(kPingType, 0, be32(id)); }

std::string SpdyCodec::go_away(uint32_t last_stream) {
  return control_frame(kGoAwayType, 0, be32(last_stream) + be32(0));
}

}  // namespace bramble
