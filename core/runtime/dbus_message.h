// DbusMessage: one message of the D-Bus protocol (D-Bus Specification, "Message Protocol"), as bytes and as values: of what logind is
// asked and answers, no more. Little-endian, as every machine of ours. Pure; what comes from outside is checked.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"

namespace bramble {

struct DbusMessage {
  enum Type : uint8_t { kCall = 1, kReply = 2, kError = 3, kSignal = 4 };
  uint8_t type = kCall;
  uint32_t serial = 0, reply_to = 0, descriptors = 0;
  std::string path, interface, member, error, destination, sender, signature;
  std::string body;  // by the signature

  std::string bytes() const;
  static Result<DbusMessage> parse(std::string_view whole);
  // How many bytes the message has that begins so; nothing: too little is there to tell. kInvalidArgument, kTooLarge.
  static Result<std::optional<size_t>> size(std::string_view start);
};

// Values one after another, each at its own alignment.
class DbusWriter {
 public:
  DbusWriter& u32(uint32_t n);
  DbusWriter& text(std::string_view s);  // string, object path
  std::string take() { return std::move(out_); }

 private:
  std::string out_;
};

class DbusReader {
 public:
  explicit DbusReader(std::string_view body) : body_(body) {}
  std::optional<uint8_t> byte();
  std::optional<uint32_t> u32();
  std::optional<uint64_t> u64();
  std::optional<std::string> text();
  std::optional<std::string> signature();
  bool align(size_t to);
  bool skip(char type);  // one of a basic type
  size_t at() const { return at_; }

 private:
  bool has(size_t n) const { return body_.size() - at_ >= n; }
  std::string_view body_;
  size_t at_ = 0;
};

}  // namespace bramble
