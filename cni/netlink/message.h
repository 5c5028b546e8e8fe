// What the files of Rtnetlink share: a request under construction, and reading of attributes. Included by them only.
#pragma once

#include <libmnl/libmnl.h>

#include <cerrno>
#include <cstring>

#include "cni/netlink/rtnetlink.h"
#include "core/base/strings.h"

namespace bramble::netlink_message {

constexpr size_t kMessageBytes = 8192;  // MNL_SOCKET_BUFFER_SIZE's bound, and room for a dump's parts

// One request under construction.
class Message {
 public:
  Message(uint16_t type, uint16_t flags) {
    header_ = mnl_nlmsg_put_header(buffer_);
    header_->nlmsg_type = type;
    header_->nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | flags);
  }
  template <class T>
  T* body() {
    return static_cast<T*>(mnl_nlmsg_put_extra_header(header_, sizeof(T)));
  }
  nlmsghdr* header() { return header_; }

 private:
  alignas(8) char buffer_[kMessageBytes] = {};
  nlmsghdr* header_;
};

struct Attributes {
  const nlattr* at[64] = {};
};

inline int collect(const nlattr* attr, void* data) {
  auto* out = static_cast<Attributes*>(data);
  uint16_t type = mnl_attr_get_type(attr);
  if (type < 64) out->at[type] = attr;
  return MNL_CB_OK;
}

inline std::string mac_text(const nlattr* attr) {
  if (!attr || mnl_attr_get_payload_len(attr) != 6) return {};
  std::string raw = hex(std::string_view(static_cast<const char*>(mnl_attr_get_payload(attr)), 6)), out;
  for (size_t i = 0; i < raw.size(); i += 2) out += cat(i ? ":" : "", raw.substr(i, 2));
  return out;
}

inline std::string mac_bytes(std::string_view text) { return unhex(replace_all(text, ":", "")).value_or(std::string()); }

inline std::optional<IpPrefix> read_address(const nlattr* attr, bool v6, int length) {
  size_t want = v6 ? 16 : 4;
  if (!attr || mnl_attr_get_payload_len(attr) != want) return std::nullopt;
  IpPrefix out;
  out.v6 = v6;
  out.length = length;
  std::memcpy(out.bytes, mnl_attr_get_payload(attr), want);
  return out;
}

inline void put_address(nlmsghdr* h, uint16_t type, const IpPrefix& p) { mnl_attr_put(h, type, p.v6 ? 16 : 4, p.bytes); }

}  // namespace bramble::netlink_message

namespace bramble {

template <class F>
Status Rtnetlink::dump(nlmsghdr* request, std::string_view what, F each) {
  request->nlmsg_flags |= NLM_F_DUMP;
  request->nlmsg_seq = ++sequence_;
  if (mnl_socket_sendto(socket_, request, request->nlmsg_len) < 0) return Error::from_errno(errno, what);
  auto call = [](const nlmsghdr* message, void* data) {
    (*static_cast<F*>(data))(message);
    return MNL_CB_OK;
  };
  std::vector<char> buffer(32 * 1024);  // the kernel fills what a reader offers; links with many attributes are long
  for (;;) {
    ssize_t n = mnl_socket_recvfrom(socket_, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Error::from_errno(errno, what);
    int r = mnl_cb_run(buffer.data(), static_cast<size_t>(n), sequence_, mnl_socket_get_portid(socket_), call, &each);
    if (r < 0) return Error::from_errno(errno, what);
    if (r == MNL_CB_STOP) return ok();
  }
}

}  // namespace bramble
