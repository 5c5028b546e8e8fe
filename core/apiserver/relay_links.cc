#include "core/apiserver/relay_links.h"

#include <algorithm>
#include <vector>

#include "core/base/strings.h"

namespace bramble {

namespace {

// HTML 4 and 5: the attributes of each element that hold a URL.
constexpr std::string_view kUrlAttributes[] = {
    "a href",          "applet codebase", "area href",      "audio src",      "base href",       "blockquote cite", "body background", "button formaction",
    "command icon",    "del cite",        "embed src",      "form action",    "frame longdesc",  "frame src",       "head profile",    "html manifest",
    "iframe longdesc", "iframe src",      "img longdesc",   "img src",        "img usemap",      "input src",       "input usemap",    "input formaction",
    "ins cite",        "link href",       "object classid", "object codebase", "object data",    "object usemap",   "q cite",          "script src",
    "source src",      "video poster",    "video src",
};

constexpr std::string_view kTextElements[] = {"script", "style", "textarea", "title", "xmp", "noembed", "noframes"};

template <size_t N>
bool contains(const std::string_view (&list)[N], std::string_view item) {
  return std::find(std::begin(list), std::end(list), item) != std::end(list);
}

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// Without "." and ".." and double slashes; a slash at the end stays.
std::string clean_path(std::string_view path) {
  std::vector<std::string_view> kept;
  for (std::string_view part : split(path, '/')) {
    if (part.empty() || part == ".") continue;
    if (part != "..") kept.push_back(part);
    else if (!kept.empty()) kept.pop_back();
  }
  std::string out;
  for (std::string_view part : kept) out += cat("/", part);
  if (out.empty() || path.ends_with('/')) out += "/";
  return out;
}

std::string escaped(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c == '"') out += "&#34;";
    else if (c == '\'') out += "&#39;";
    else if (c == '<') out += "&lt;";
    else if (c == '>') out += "&gt;";
    else out += c;
  }
  return out;
}

// Copies a page from `in` to `out`, tag by tag.
class PageWriter {
 public:
  PageWriter(const RelayPlace& place, std::string_view in) : place_(place), in_(in) {}

  std::string run() {
    while (at_ < in_.size()) {
      if (rest().starts_with("<!--")) copy_through("-->");
      else if (in_[at_] == '<' && at_ + 1 < in_.size() && is_letter(in_[at_ + 1])) start_tag();
      else if (in_[at_] == '<') copy_through(">");
      else copy_to(in_.find('<', at_));
    }
    return std::move(out_);
  }

 private:
  std::string_view rest() const { return in_.substr(at_); }
  void copy_to(size_t end) {
    end = std::min(end, in_.size());
    out_ += in_.substr(at_, end - at_);
    at_ = end;
  }
  void copy_through(std::string_view mark) {
    size_t end = in_.find(mark, at_);
    copy_to(end == std::string_view::npos ? end : end + mark.size());
  }
  template <typename Fits>
  std::string_view copy_while(Fits fits) {
    size_t begin = at_;
    while (at_ < in_.size() && fits(in_[at_])) ++at_;
    out_ += in_.substr(begin, at_ - begin);
    return in_.substr(begin, at_ - begin);
  }

  void start_tag() {
    out_ += in_[at_++];
    const std::string element = lower(copy_while([](char c) { return !is_space(c) && c != '/' && c != '>'; }));
    while (at_ < in_.size() && in_[at_] != '>') {
      copy_while([](char c) { return is_space(c) || c == '/'; });
      if (at_ < in_.size() && in_[at_] != '>') attribute(element);
    }
    copy_to(at_ + 1);
    if (!contains(kTextElements, element)) return;
    const std::string end = cat("</", element);
    while (at_ < in_.size() && !equals_ignore_case(rest().substr(0, end.size()), end)) copy_to(in_.find('<', at_ + 1));
  }

  void attribute(const std::string& element) {
    size_t begin = at_++;
    while (at_ < in_.size() && !is_space(in_[at_]) && in_[at_] != '=' && in_[at_] != '/' && in_[at_] != '>') ++at_;
    const std::string name = lower(in_.substr(begin, at_ - begin));
    out_ += in_.substr(begin, at_ - begin);
    copy_while(is_space);
    if (at_ >= in_.size() || in_[at_] != '=') return;
    copy_to(at_ + 1);
    copy_while(is_space);
    if (at_ >= in_.size()) return;
    const char quote = in_[at_];
    const bool quoted = quote == '"' || quote == '\'';
    size_t end = quoted ? in_.find(quote, at_ + 1) : at_;
    while (!quoted && end < in_.size() && !is_space(in_[end]) && in_[end] != '>') ++end;
    if (end == std::string_view::npos) return copy_to(end);
    const std::string_view value = in_.substr(quoted ? at_ + 1 : at_, quoted ? end - at_ - 1 : end - at_);
    const std::string url = contains(kUrlAttributes, cat(element, " ", name)) ? relayed_url(place_, value) : std::string(value);
    if (url == value) return copy_to(quoted ? end + 1 : end);
    out_ += cat("\"", escaped(url), "\"");
    at_ = quoted ? end + 1 : end;
  }

  const RelayPlace& place_;
  std::string_view in_;
  size_t at_ = 0;
  std::string out_;
};

}  // namespace

std::string relayed_url(const RelayPlace& place, std::string_view url) {
  std::string_view rest = url, origin;
  size_t mark = rest.find("//");
  const bool has_scheme = mark != std::string_view::npos && mark > 0 && rest[mark - 1] == ':' && rest.find('/') == mark;
  std::string_view host;
  if (has_scheme || rest.starts_with("//")) {
    const size_t begin = mark + 2, end = std::min(rest.find_first_of("/?#", begin), rest.size());
    host = rest.substr(begin, end - begin);
    origin = rest.substr(0, end);
    rest = rest.substr(end);
  }
  if (!host.empty() && host != place.server && host != place.request_host) return std::string(url);
  if (!rest.starts_with('/')) return std::string(url);
  if (host != place.request_host) origin = {};
  const size_t path_end = std::min(rest.find_first_of("?#"), rest.size());
  const std::string_view path = rest.substr(0, path_end), tail = rest.substr(path_end);
  if (path.starts_with(place.prefix)) return cat(origin, rest);
  return cat(origin, clean_path(cat(place.prefix, path)), tail);
}

std::string relayed_page(const RelayPlace& place, std::string_view html) { return PageWriter(place, html).run(); }

}  // namespace bramble
