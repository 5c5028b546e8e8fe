#include "core/runtime/dbus_message.h"

#include <string.h>

#include "core/base/shutdown_limits.h"

namespace bramble {

namespace {

constexpr size_t kFixedBytes = 16;  // up to and with the length of the header's fields
enum Field : uint8_t { kPath = 1, kInterface = 2, kMember = 3, kErrorName = 4, kReplySerial = 5, kDestination = 6, kSender = 7, kSignature = 8, kDescriptors = 9 };

size_t aligned(size_t n, size_t to) { return (n + to - 1) / to * to; }

void pad(std::string& out, size_t to) { out.resize(aligned(out.size(), to)); }

void put_u32(std::string& out, uint32_t n) {
  pad(out, 4);
  out.append(reinterpret_cast<const char*>(&n), sizeof n);
}

void put_text(std::string& out, std::string_view s) {
  put_u32(out, static_cast<uint32_t>(s.size()));
  out.append(s);
  out.push_back('\0');
}

void put_signature(std::string& out, std::string_view s) {
  out.push_back(static_cast<char>(s.size()));
  out.append(s);
  out.push_back('\0');
}

void put_field(std::string& out, Field code, std::string_view type, std::string_view text, uint32_t number) {
  pad(out, 8);
  out.push_back(static_cast<char>(code));
  put_signature(out, type);
  if (type == "u") put_u32(out, number);
  else if (type == "g") put_signature(out, text);
  else put_text(out, text);
}

Error malformed() { return Error(Code::kInvalidArgument, "D-Bus: malformed message"); }

}  // namespace

DbusWriter& DbusWriter::u32(uint32_t n) {
  put_u32(out_, n);
  return *this;
}

DbusWriter& DbusWriter::text(std::string_view s) {
  put_text(out_, s);
  return *this;
}

bool DbusReader::align(size_t to) {
  const size_t next = aligned(at_, to);
  if (next > body_.size()) return false;
  at_ = next;
  return true;
}

std::optional<uint8_t> DbusReader::byte() {
  if (!has(1)) return std::nullopt;
  return static_cast<uint8_t>(body_[at_++]);
}

std::optional<uint32_t> DbusReader::u32() {
  uint32_t n = 0;
  if (!align(4) || !has(sizeof n)) return std::nullopt;
  memcpy(&n, body_.data() + at_, sizeof n);
  at_ += sizeof n;
  return n;
}

std::optional<uint64_t> DbusReader::u64() {
  uint64_t n = 0;
  if (!align(8) || !has(sizeof n)) return std::nullopt;
  memcpy(&n, body_.data() + at_, sizeof n);
  at_ += sizeof n;
  return n;
}

std::optional<std::string> DbusReader::text() {
  auto bytes = u32();
  if (!bytes || !has(size_t{*bytes} + 1) || body_[at_ + *bytes] != '\0') return std::nullopt;
  std::string out(body_.substr(at_, *bytes));
  at_ += size_t{*bytes} + 1;
  return out;
}

std::optional<std::string> DbusReader::signature() {
  auto bytes = byte();
  if (!bytes || !has(size_t{*bytes} + 1) || body_[at_ + *bytes] != '\0') return std::nullopt;
  std::string out(body_.substr(at_, *bytes));
  at_ += size_t{*bytes} + 1;
  return out;
}

bool DbusReader::skip(char type) {
  switch (type) {
    case 'y': return byte().has_value();
    case 'n':
    case 'q': {
      if (!align(2) || !has(2)) return false;
      at_ += 2;
      return true;
    }
    case 'b':
    case 'i':
    case 'u':
    case 'h': return u32().has_value();
    case 'x':
    case 't':
    case 'd': return u64().has_value();
    case 's':
    case 'o': return text().has_value();
    case 'g': return signature().has_value();
    default: return false;
  }
}

std::string DbusMessage::bytes() const {
  std::string out = {'l', static_cast<char>(type), 0, 1};
  put_u32(out, static_cast<uint32_t>(body.size()));
  put_u32(out, serial);
  std::string fields;
  if (!path.empty()) put_field(fields, kPath, "o", path, 0);
  if (!interface.empty()) put_field(fields, kInterface, "s", interface, 0);
  if (!member.empty()) put_field(fields, kMember, "s", member, 0);
  if (!error.empty()) put_field(fields, kErrorName, "s", error, 0);
  if (reply_to) put_field(fields, kReplySerial, "u", {}, reply_to);
  if (!destination.empty()) put_field(fields, kDestination, "s", destination, 0);
  if (!signature.empty()) put_field(fields, kSignature, "g", signature, 0);
  if (descriptors) put_field(fields, kDescriptors, "u", {}, descriptors);
  put_u32(out, static_cast<uint32_t>(fields.size()));
  out += fields;
  pad(out, 8);
  return out + body;
}

Result<std::optional<size_t>> DbusMessage::size(std::string_view start) {
  if (start.size() < kFixedBytes) return std::optional<size_t>();
  if (start[0] != 'l' || start[3] != 1) return malformed();
  DbusReader r(start.substr(4));
  const size_t body_bytes = *r.u32();
  r.u32();
  const size_t field_bytes = *r.u32();
  if (body_bytes > limits::kDbusMessageBytesMax || field_bytes > limits::kDbusMessageBytesMax) return Error(Code::kTooLarge, "D-Bus: message too large");
  return std::optional<size_t>(aligned(kFixedBytes + field_bytes, 8) + body_bytes);
}

Result<DbusMessage> DbusMessage::parse(std::string_view whole) {
  TRY_ASSIGN(std::optional<size_t> bytes, size(whole));
  if (!bytes || *bytes != whole.size()) return malformed();
  DbusMessage m;
  DbusReader fixed(whole);
  fixed.byte();
  m.type = *fixed.byte();
  fixed.u32();  // flags and version, and on to the next four
  m.serial = *fixed.u32();
  const size_t fields_end = kFixedBytes + *fixed.u32();
  DbusReader r(whole.substr(0, fields_end));
  for (size_t i = 0; i < kFixedBytes; ++i) r.byte();
  while (r.at() < fields_end) {
    if (!r.align(8)) return malformed();
    auto code = r.byte();
    auto type = r.signature();
    if (!code || !type || type->size() != 1) return malformed();
    std::string* text = nullptr;
    uint32_t* number = nullptr;
    if (*code == kPath) text = &m.path;
    if (*code == kInterface) text = &m.interface;
    if (*code == kMember) text = &m.member;
    if (*code == kErrorName) text = &m.error;
    if (*code == kDestination) text = &m.destination;
    if (*code == kSender) text = &m.sender;
    if (*code == kSignature) text = &m.signature;
    if (*code == kReplySerial) number = &m.reply_to;
    if (*code == kDescriptors) number = &m.descriptors;
    if (text && (*type == "s" || *type == "o" || *type == "g")) {
      auto value = *type == "g" ? r.signature() : r.text();
      if (!value) return malformed();
      *text = std::move(*value);
    } else if (number && *type == "u") {
      auto value = r.u32();
      if (!value) return malformed();
      *number = *value;
    } else if (text || number || !r.skip((*type)[0])) {
      return malformed();
    }
  }
  m.body = std::string(whole.substr(aligned(fields_end, 8)));
  return m;
}

}  // namespace bramble
