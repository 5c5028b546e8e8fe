#include "core/app/first_start.h"

#include <cerrno>
#include <filesystem>
#include <unistd.h>

#include "core/base/files.h"

namespace bramble {

static std::string mark_in(const std::string& data_dir) { return data_dir + "/server/first-start"; }

std::string sign_of_cluster(const std::string& data_dir, const std::string& credentials_dir) {
  std::error_code ignored;
  bool credentials = std::filesystem::directory_iterator(credentials_dir, ignored) != std::filesystem::directory_iterator();
  return credentials && !path_exists(mark_in(data_dir)) ? credentials_dir : std::string();
}

Result<FirstStart> FirstStart::begin(const std::string& data_dir, const std::string& credentials_dir) {
  FirstStart out;
  out.mark_ = mark_in(data_dir);
  out.sign_ = sign_of_cluster(data_dir, credentials_dir);
  if (!out.sign_.empty()) return out;
  TRY(make_folders(data_dir + "/server", 0700));
  TRY(replace_file_durably(out.mark_, "", 0600));
  return out;
}

Status FirstStart::done() const {
  if (unlink(mark_.c_str()) != 0 && errno != ENOENT) return Error::from_errno(errno, mark_);
  return ok();
}

}  // namespace bramble
