// Messages of a bus: what is read of one is the same when it is written and read again.
#include <cstdlib>
#include <string_view>

#include "core/runtime/dbus_message.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bramble;
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  auto wanted = DbusMessage::size(bytes);
  if (!wanted.ok() || !*wanted || **wanted > size) return 0;
  auto message = DbusMessage::parse(bytes.substr(0, **wanted));
  if (!message.ok()) return 0;
  DbusReader body(message->body);
  for (char type : message->signature)
    if (!body.skip(type)) break;
  if (message->signature.size() > 255) abort();
  auto again = DbusMessage::parse(message->bytes());
  if (!again.ok() || again->body != message->body || again->reply_to != message->reply_to || again->member != message->member) abort();
  return 0;
}
