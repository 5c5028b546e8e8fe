#include "images/import/archive_stream.h"

#include <cerrno>

namespace bramble {

constexpr size_t kPullBytes = 64 * 1024;

Error stream_error(archive* reader) {
  const char* text = archive_error_string(reader);
  return Error(Code::kInvalidArgument, cat("damaged or truncated archive: ", text ? text : "unknown format"));
}

PullReader::~PullReader() {
  if (reader_) archive_read_free(reader_);
}

la_ssize_t PullReader::pull(archive* a, void* self, const void** block) {
  auto* me = static_cast<PullReader*>(self);
  auto n = me->source_(me->buffer_.get(), kPullBytes);
  if (!n.ok()) {
    me->source_error_ = n.error();
    archive_set_error(a, EIO, "%s", n.error().message().c_str());
    return ARCHIVE_FATAL;
  }
  *block = me->buffer_.get();
  return static_cast<la_ssize_t>(*n);
}

Status PullReader::open_reader(archive* reader) {
  reader_ = reader;
  buffer_ = std::make_unique<char[]>(kPullBytes);
  if (archive_read_open(reader_, this, nullptr, pull, nullptr) != ARCHIVE_OK) return failure();
  return ok();
}

Error PullReader::failure() const { return source_error_ ? *source_error_ : stream_error(reader_); }

Status DecompressedStream::open() {
  archive* a = archive_read_new();
  archive_read_support_filter_gzip(a);
  archive_read_support_filter_zstd(a);
  archive_read_support_format_raw(a);
  archive_read_support_format_empty(a);
  TRY(open_reader(a));
  archive_entry* whole;
  int r = archive_read_next_header(a, &whole);
  if (r == ARCHIVE_EOF) empty_ = true;
  else if (r < ARCHIVE_WARN) return failure();
  return ok();
}

Result<size_t> DecompressedStream::read(char* out, size_t max) {
  if (empty_) return size_t{0};
  la_ssize_t n = archive_read_data(raw(), out, max);
  if (n < 0) return failure();
  return static_cast<size_t>(n);
}

TarReader::TarReader(ByteSource source) : PullReader(source), again_(std::move(source)) {}

Status TarReader::open() {
  archive* a = archive_read_new();
  archive_read_support_format_tar(a);
  archive_read_support_format_gnutar(a);
  archive_read_support_format_empty(a);
  return open_reader(a);
}

Result<archive_entry*> TarReader::next() {
  archive_entry* entry = nullptr;
  int r = archive_read_next_header(raw(), &entry);
  if (r == ARCHIVE_EOF) return static_cast<archive_entry*>(nullptr);
  if (r < ARCHIVE_WARN) return failure();
  return entry;
}

Result<size_t> TarReader::read(char* out, size_t max) {
  la_ssize_t n = archive_read_data(raw(), out, max);
  if (n < 0) return failure();
  return static_cast<size_t>(n);
}

Status TarReader::drain() {
  char rest[4096];
  for (;;) {
    TRY_ASSIGN(size_t n, again_(rest, sizeof rest));
    if (n == 0) return ok();
  }
}

}  // namespace bramble
