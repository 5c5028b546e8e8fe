// The functions of libmnl.h, written for bramble: framing of netlink messages and attributes, and a netlink socket.
// libnftnl needs them, and Debian has libmnl only as a shared library; deps.sh compiles this against the header of
// libmnl-dev. Meanings are those of that header's documentation, with these differences: mnl_nlmsg_fprintf is absent, and
// sockets are always close-on-exec. No global state; a socket or batch belongs to one thread at a time.
#include <errno.h>
#include <libmnl/libmnl.h>
#include <stdlib.h>
#include <string.h>

// --- Messages ---------------------------------------------------------------------------------------------------------

size_t mnl_nlmsg_size(size_t len) { return len + MNL_NLMSG_HDRLEN; }

size_t mnl_nlmsg_get_payload_len(const struct nlmsghdr *nlh) { return nlh->nlmsg_len - MNL_NLMSG_HDRLEN; }

struct nlmsghdr *mnl_nlmsg_put_header(void *buf) {
  struct nlmsghdr *nlh = buf;
  memset(buf, 0, MNL_NLMSG_HDRLEN);
  nlh->nlmsg_len = MNL_NLMSG_HDRLEN;
  return nlh;
}

void *mnl_nlmsg_put_extra_header(struct nlmsghdr *nlh, size_t size) {
  char *header = (char *)nlh + nlh->nlmsg_len;
  memset(header, 0, MNL_ALIGN(size));
  nlh->nlmsg_len += MNL_ALIGN(size);
  return header;
}

bool mnl_nlmsg_ok(const struct nlmsghdr *nlh, int len) {
  return len >= (int)sizeof *nlh && nlh->nlmsg_len >= sizeof *nlh && nlh->nlmsg_len <= (unsigned)len;
}

struct nlmsghdr *mnl_nlmsg_next(const struct nlmsghdr *nlh, int *len) {
  *len -= MNL_ALIGN(nlh->nlmsg_len);
  return (struct nlmsghdr *)((char *)nlh + MNL_ALIGN(nlh->nlmsg_len));
}

// Zero on either side means "not tracked".
bool mnl_nlmsg_seq_ok(const struct nlmsghdr *nlh, unsigned int seq) {
  return !nlh->nlmsg_seq || !seq || nlh->nlmsg_seq == seq;
}

bool mnl_nlmsg_portid_ok(const struct nlmsghdr *nlh, unsigned int portid) {
  return !nlh->nlmsg_pid || !portid || nlh->nlmsg_pid == portid;
}

void *mnl_nlmsg_get_payload(const struct nlmsghdr *nlh) { return (char *)nlh + MNL_NLMSG_HDRLEN; }

void *mnl_nlmsg_get_payload_offset(const struct nlmsghdr *nlh, size_t offset) {
  return (char *)nlh + MNL_NLMSG_HDRLEN + MNL_ALIGN(offset);
}

void *mnl_nlmsg_get_payload_tail(const struct nlmsghdr *nlh) { return (char *)nlh + MNL_ALIGN(nlh->nlmsg_len); }

// --- Batches: messages one after another in a buffer of twice the limit, so that the one that is too much still fits ------

struct mnl_nlmsg_batch {
  char *head;
  size_t limit_bytes;
  size_t bytes;     // of the messages accepted
  bool overflow;    // the message at head + bytes is whole, but belongs to the next batch
};

struct mnl_nlmsg_batch *mnl_nlmsg_batch_start(void *buf, size_t bufsiz) {
  struct mnl_nlmsg_batch *b = calloc(1, sizeof *b);
  if (b) {
    b->head = buf;
    b->limit_bytes = bufsiz;
  }
  return b;
}

void mnl_nlmsg_batch_stop(struct mnl_nlmsg_batch *b) { free(b); }

void *mnl_nlmsg_batch_current(struct mnl_nlmsg_batch *b) { return b->head + b->bytes; }

bool mnl_nlmsg_batch_next(struct mnl_nlmsg_batch *b) {
  const struct nlmsghdr *nlh = mnl_nlmsg_batch_current(b);
  if (b->bytes + nlh->nlmsg_len > b->limit_bytes) {
    b->overflow = true;
    return false;
  }
  b->bytes += nlh->nlmsg_len;
  return true;
}

void mnl_nlmsg_batch_reset(struct mnl_nlmsg_batch *b) {
  size_t kept_bytes = 0;
  if (b->overflow) {
    const struct nlmsghdr *last = mnl_nlmsg_batch_current(b);
    kept_bytes = last->nlmsg_len;
    memmove(b->head, last, kept_bytes);
    b->overflow = false;
  }
  b->bytes = kept_bytes;
}

size_t mnl_nlmsg_batch_size(struct mnl_nlmsg_batch *b) { return b->bytes; }
void *mnl_nlmsg_batch_head(struct mnl_nlmsg_batch *b) { return b->head; }
bool mnl_nlmsg_batch_is_empty(struct mnl_nlmsg_batch *b) { return b->bytes == 0; }

// --- Attributes: reading ----------------------------------------------------------------------------------------------

uint16_t mnl_attr_get_type(const struct nlattr *attr) { return attr->nla_type & NLA_TYPE_MASK; }
uint16_t mnl_attr_get_len(const struct nlattr *attr) { return attr->nla_len; }
uint16_t mnl_attr_get_payload_len(const struct nlattr *attr) { return attr->nla_len - MNL_ATTR_HDRLEN; }
void *mnl_attr_get_payload(const struct nlattr *attr) { return (char *)attr + MNL_ATTR_HDRLEN; }
const char *mnl_attr_get_str(const struct nlattr *attr) { return mnl_attr_get_payload(attr); }

// Attributes are aligned to four bytes only, and ARMv6 faults on some unaligned loads: copy.
uint8_t mnl_attr_get_u8(const struct nlattr *attr) { return *(uint8_t *)mnl_attr_get_payload(attr); }

uint16_t mnl_attr_get_u16(const struct nlattr *attr) {
  uint16_t value;
  memcpy(&value, mnl_attr_get_payload(attr), sizeof value);
  return value;
}

uint32_t mnl_attr_get_u32(const struct nlattr *attr) {
  uint32_t value;
  memcpy(&value, mnl_attr_get_payload(attr), sizeof value);
  return value;
}

uint64_t mnl_attr_get_u64(const struct nlattr *attr) {
  uint64_t value;
  memcpy(&value, mnl_attr_get_payload(attr), sizeof value);
  return value;
}

bool mnl_attr_ok(const struct nlattr *attr, int len) {
  return len >= (int)sizeof *attr && attr->nla_len >= sizeof *attr && attr->nla_len <= len;
}

struct nlattr *mnl_attr_next(const struct nlattr *attr) {
  return (struct nlattr *)((char *)attr + MNL_ALIGN(attr->nla_len));
}

int mnl_attr_type_valid(const struct nlattr *attr, uint16_t maxtype) {
  if (mnl_attr_get_type(attr) <= maxtype) return 1;
  errno = EOPNOTSUPP;
  return -1;
}

static int refuse(int code) {
  errno = code;
  return -1;
}

// exact_bytes: 0 for a type without a fixed size. A longer attribute than its type needs is accepted, as the kernel does.
static int validate(const struct nlattr *attr, enum mnl_attr_data_type type, size_t exact_bytes) {
  size_t bytes = mnl_attr_get_payload_len(attr);
  const char *payload = mnl_attr_get_payload(attr);
  if (bytes < exact_bytes) return refuse(ERANGE);
  switch (type) {
    case MNL_TYPE_FLAG:
      return bytes == 0 ? 0 : refuse(ERANGE);
    case MNL_TYPE_STRING:
      return bytes > 0 ? 0 : refuse(ERANGE);
    case MNL_TYPE_NUL_STRING:
      if (bytes == 0) return refuse(ERANGE);
      return payload[bytes - 1] == '\0' ? 0 : refuse(EINVAL);
    case MNL_TYPE_NESTED:
      return bytes == 0 || bytes >= MNL_ATTR_HDRLEN ? 0 : refuse(ERANGE);
    default:
      return 0;
  }
}

int mnl_attr_validate(const struct nlattr *attr, enum mnl_attr_data_type type) {
  static const size_t kBytes[MNL_TYPE_MAX] = {
      [MNL_TYPE_U8] = 1, [MNL_TYPE_U16] = 2, [MNL_TYPE_U32] = 4, [MNL_TYPE_U64] = 8, [MNL_TYPE_MSECS] = 8};
  if (type < 0 || type >= MNL_TYPE_MAX) return refuse(EINVAL);
  return validate(attr, type, kBytes[type]);
}

int mnl_attr_validate2(const struct nlattr *attr, enum mnl_attr_data_type type, size_t len) {
  if (type < 0 || type >= MNL_TYPE_MAX) return refuse(EINVAL);
  return validate(attr, type, len);
}

int mnl_attr_parse_payload(const void *payload, size_t payload_len, mnl_attr_cb_t cb, void *data) {
  const char *end = (const char *)payload + payload_len;
  const struct nlattr *attr = payload;
  int result = MNL_CB_OK;
  while (result > MNL_CB_STOP && mnl_attr_ok(attr, end - (const char *)attr)) {
    result = cb(attr, data);
    attr = mnl_attr_next(attr);
  }
  return result;
}

int mnl_attr_parse(const struct nlmsghdr *nlh, unsigned int offset, mnl_attr_cb_t cb, void *data) {
  const char *start = mnl_nlmsg_get_payload_offset(nlh, offset);
  const char *end = mnl_nlmsg_get_payload_tail(nlh);
  return mnl_attr_parse_payload(start, end > start ? end - start : 0, cb, data);
}

int mnl_attr_parse_nested(const struct nlattr *attr, mnl_attr_cb_t cb, void *data) {
  return mnl_attr_parse_payload(mnl_attr_get_payload(attr), mnl_attr_get_payload_len(attr), cb, data);
}

// --- Attributes: writing ----------------------------------------------------------------------------------------------

void mnl_attr_put(struct nlmsghdr *nlh, uint16_t type, size_t len, const void *data) {
  struct nlattr *attr = mnl_nlmsg_get_payload_tail(nlh);
  char *payload = mnl_attr_get_payload(attr);
  attr->nla_type = type;
  attr->nla_len = MNL_ATTR_HDRLEN + len;
  if (len) memcpy(payload, data, len);
  memset(payload + len, 0, MNL_ALIGN(len) - len);
  nlh->nlmsg_len = MNL_ALIGN(nlh->nlmsg_len) + MNL_ALIGN(attr->nla_len);
}

void mnl_attr_put_u8(struct nlmsghdr *nlh, uint16_t type, uint8_t data) { mnl_attr_put(nlh, type, sizeof data, &data); }
void mnl_attr_put_u16(struct nlmsghdr *nlh, uint16_t type, uint16_t data) { mnl_attr_put(nlh, type, sizeof data, &data); }
void mnl_attr_put_u32(struct nlmsghdr *nlh, uint16_t type, uint32_t data) { mnl_attr_put(nlh, type, sizeof data, &data); }
void mnl_attr_put_u64(struct nlmsghdr *nlh, uint16_t type, uint64_t data) { mnl_attr_put(nlh, type, sizeof data, &data); }
void mnl_attr_put_str(struct nlmsghdr *nlh, uint16_t type, const char *data) { mnl_attr_put(nlh, type, strlen(data), data); }
void mnl_attr_put_strz(struct nlmsghdr *nlh, uint16_t type, const char *data) { mnl_attr_put(nlh, type, strlen(data) + 1, data); }

bool mnl_attr_put_check(struct nlmsghdr *nlh, size_t buflen, uint16_t type, size_t len, const void *data) {
  if (MNL_ALIGN(nlh->nlmsg_len) + MNL_ATTR_HDRLEN + MNL_ALIGN(len) > buflen) return false;
  mnl_attr_put(nlh, type, len, data);
  return true;
}

bool mnl_attr_put_u8_check(struct nlmsghdr *nlh, size_t buflen, uint16_t type, uint8_t data) {
  return mnl_attr_put_check(nlh, buflen, type, sizeof data, &data);
}

bool mnl_attr_put_u16_check(struct nlmsghdr *nlh, size_t buflen, uint16_t type, uint16_t data) {
  return mnl_attr_put_check(nlh, buflen, type, sizeof data, &data);
}

bool mnl_attr_put_u32_check(struct nlmsghdr *nlh, size_t buflen, uint16_t type, uint32_t data) {
  return mnl_attr_put_check(nlh, buflen, type, sizeof data, &data);
}

bool mnl_attr_put_u64_check(struct nlmsghdr *nlh, size_t buflen, uint16_t type, uint64_t data) {
  return mnl_attr_put_check(nlh, buflen, type, sizeof data, &data);
}

bool mnl_attr_put_str_check(struct nlmsghdr *nlh, size_t buflen, uint16_t type, const char *data) {
  return mnl_attr_put_check(nlh, buflen, type, strlen(data), data);
}

bool mnl_attr_put_strz_check(struct nlmsghdr *nlh, size_t buflen, uint16_t type, const char *data) {
  return mnl_attr_put_check(nlh, buflen, type, strlen(data) + 1, data);
}

struct nlattr *mnl_attr_nest_start(struct nlmsghdr *nlh, uint16_t type) {
  struct nlattr *start = mnl_nlmsg_get_payload_tail(nlh);
  start->nla_type = NLA_F_NESTED | type;
  nlh->nlmsg_len = MNL_ALIGN(nlh->nlmsg_len) + MNL_ATTR_HDRLEN;
  return start;
}

struct nlattr *mnl_attr_nest_start_check(struct nlmsghdr *nlh, size_t buflen, uint16_t type) {
  if (MNL_ALIGN(nlh->nlmsg_len) + MNL_ATTR_HDRLEN > buflen) return NULL;
  return mnl_attr_nest_start(nlh, type);
}

void mnl_attr_nest_end(struct nlmsghdr *nlh, struct nlattr *start) {
  start->nla_len = (char *)mnl_nlmsg_get_payload_tail(nlh) - (char *)start;
}

void mnl_attr_nest_cancel(struct nlmsghdr *nlh, struct nlattr *start) {
  nlh->nlmsg_len -= (char *)mnl_nlmsg_get_payload_tail(nlh) - (char *)start;
}

// --- Answers of the kernel --------------------------------------------------------------------------------------------

// NLMSG_ERROR is also the acknowledgement: error 0 ends the run. Some subsystems send errno negative, some positive.
static int answer_error(const struct nlmsghdr *nlh) {
  const struct nlmsgerr *answer = mnl_nlmsg_get_payload(nlh);
  if (nlh->nlmsg_len < mnl_nlmsg_size(sizeof *answer)) return refuse(EBADMSG);
  errno = abs(answer->error);
  return answer->error == 0 ? MNL_CB_STOP : MNL_CB_ERROR;
}

static int answer_control(const struct nlmsghdr *nlh) {
  switch (nlh->nlmsg_type) {
    case NLMSG_ERROR:
      return answer_error(nlh);
    case NLMSG_DONE:
      return MNL_CB_STOP;
    default:   // NLMSG_NOOP, NLMSG_OVERRUN
      return MNL_CB_OK;
  }
}

int mnl_cb_run2(const void *buf, size_t numbytes, unsigned int seq, unsigned int portid, mnl_cb_t cb_data, void *data,
                mnl_cb_t *cb_ctl_array, unsigned int cb_ctl_array_len) {
  const struct nlmsghdr *nlh = buf;
  int left_bytes = (int)numbytes;
  int result = MNL_CB_OK;
  for (; result > MNL_CB_STOP && mnl_nlmsg_ok(nlh, left_bytes); nlh = mnl_nlmsg_next(nlh, &left_bytes)) {
    if (!mnl_nlmsg_portid_ok(nlh, portid)) return refuse(ESRCH);
    if (!mnl_nlmsg_seq_ok(nlh, seq)) return refuse(EPROTO);
    if (nlh->nlmsg_flags & NLM_F_DUMP_INTR) return refuse(EINTR);
    if (nlh->nlmsg_type >= NLMSG_MIN_TYPE) {
      if (cb_data) result = cb_data(nlh, data);
    } else if (nlh->nlmsg_type < cb_ctl_array_len && cb_ctl_array[nlh->nlmsg_type]) {
      result = cb_ctl_array[nlh->nlmsg_type](nlh, data);
    } else {
      result = answer_control(nlh);
    }
  }
  return result;
}

int mnl_cb_run(const void *buf, size_t numbytes, unsigned int seq, unsigned int portid, mnl_cb_t cb_data, void *data) {
  return mnl_cb_run2(buf, numbytes, seq, portid, cb_data, data, NULL, 0);
}

// --- Sockets ----------------------------------------------------------------------------------------------------------

struct mnl_socket {
  int fd;
  struct sockaddr_nl addr;
};

struct mnl_socket *mnl_socket_open2(int bus, int flags) {
  struct mnl_socket *nl = calloc(1, sizeof *nl);
  if (!nl) return NULL;
  nl->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | flags, bus);
  if (nl->fd >= 0) return nl;
  free(nl);
  return NULL;
}

struct mnl_socket *mnl_socket_open(int bus) { return mnl_socket_open2(bus, 0); }

static int read_address(int fd, struct sockaddr_nl *addr) {
  socklen_t bytes = sizeof *addr;
  if (getsockname(fd, (struct sockaddr *)addr, &bytes) < 0) return -1;
  return bytes == sizeof *addr && addr->nl_family == AF_NETLINK ? 0 : refuse(EINVAL);
}

struct mnl_socket *mnl_socket_fdopen(int fd) {
  struct sockaddr_nl addr;
  struct mnl_socket *nl;
  if (read_address(fd, &addr) < 0 || !(nl = calloc(1, sizeof *nl))) return NULL;
  nl->fd = fd;
  nl->addr = addr;
  return nl;
}

int mnl_socket_bind(struct mnl_socket *nl, unsigned int groups, pid_t pid) {
  nl->addr = (struct sockaddr_nl){.nl_family = AF_NETLINK, .nl_groups = groups, .nl_pid = pid};
  if (bind(nl->fd, (struct sockaddr *)&nl->addr, sizeof nl->addr) < 0) return -1;
  return read_address(nl->fd, &nl->addr);
}

int mnl_socket_close(struct mnl_socket *nl) {
  int result = close(nl->fd);
  free(nl);
  return result;
}

int mnl_socket_get_fd(const struct mnl_socket *nl) { return nl->fd; }
unsigned int mnl_socket_get_portid(const struct mnl_socket *nl) { return nl->addr.nl_pid; }

ssize_t mnl_socket_sendto(const struct mnl_socket *nl, const void *req, size_t siz) {
  static const struct sockaddr_nl kKernel = {.nl_family = AF_NETLINK};
  return sendto(nl->fd, req, siz, 0, (const struct sockaddr *)&kKernel, sizeof kKernel);
}

ssize_t mnl_socket_recvfrom(const struct mnl_socket *nl, void *buf, size_t siz) {
  struct sockaddr_nl addr;
  struct iovec part = {.iov_base = buf, .iov_len = siz};
  struct msghdr message = {.msg_name = &addr, .msg_namelen = sizeof addr, .msg_iov = &part, .msg_iovlen = 1};
  ssize_t bytes = recvmsg(nl->fd, &message, 0);
  if (bytes < 0) return -1;
  if (message.msg_flags & MSG_TRUNC) return refuse(ENOSPC);
  return message.msg_namelen == sizeof addr ? bytes : refuse(EINVAL);
}

int mnl_socket_setsockopt(const struct mnl_socket *nl, int type, void *buf, socklen_t len) {
  return setsockopt(nl->fd, SOL_NETLINK, type, buf, len);
}

int mnl_socket_getsockopt(const struct mnl_socket *nl, int type, void *buf, socklen_t *len) {
  return getsockopt(nl->fd, SOL_NETLINK, type, buf, len);
}
