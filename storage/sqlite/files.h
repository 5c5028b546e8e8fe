// Steps on files that a crash may come between: each is durable when it returns.
#pragma once

#include <string>
#include <vector>

#include "core/base/result.h"

namespace bramble {

bool file_exists(const std::string& path);
Status make_directory(const std::string& path);                       // 0700, with its parents; fine if it is there
Status sync_directory_of(const std::string& path);                    // the directory that holds path
Status rename_file(const std::string& from, const std::string& to);   // replaces, and syncs the directory
Status remove_file(const std::string& path);                          // fine if it is not there
Status link_file(const std::string& from, const std::string& to);     // fine if `from` is not there
// The files path.<word>-1, -2, ... that are there, by their numbers.
std::vector<int> numbered_files(const std::string& path, std::string_view word);
std::string numbered_name(const std::string& path, std::string_view word, int number);

}  // namespace bramble
